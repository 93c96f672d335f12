// A tool needs an account that the user has not connected: what each official client makes of it, against the demo.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, it, linkOf, startBrowser, startDemo, textOf, within } from '../lib.mjs'
import { DIALECTS } from './dialects.mjs'

const OPENS_LINKS = { elicitation: { form: {}, url: {} } }

let browser
let demo
let session
before(async () => {
  browser = await startBrowser()
})
after(() => browser?.close())
beforeEach(async () => {
  demo = await startDemo()
})
afterEach(async () => {
  await session?.close()
  session = undefined
  await demo?.stop()
})

const open = async (dialect, rest) => {
  session = await dialect.open({ url: demo.mcp_url, key: demo.api_key, user: demo.alice.name, ...rest })
  return session
}

const assertOurs = (url) => assert.ok(url?.startsWith(`${demo.public_url}/connect/`), `not a link of the gateway: ${url}`)

async function assertConnected() {
  const result = await session.call('acme_whoami')
  assert.ok(!result.isError, textOf(result))
  assert.ok(textOf(result).includes(demo.acme.display_name), textOf(result))
}

for (const dialect of DIALECTS) {
  describe(dialect.name, () => {
    if (dialect.version === '2026-07-28') inputRequired(dialect)
    else if (dialect.version === '2025-11-25') errorWithLinks(dialect)
    else linkInText(dialect, 'declares URLs, which its revision does not know', OPENS_LINKS)
    linkInText(dialect, 'declares no elicitation', {})
    linkInText(dialect, 'declares elicitation without URLs', { elicitation: {} })

    it('calls what needs no account at once', async () => {
      await open(dialect)
      const result = await session.call('acme_server_time')
      assert.ok(!result.isError, textOf(result))
    })
  })
}

/** 2026-07-28: the client is asked inside the call, agrees at once, and the retry is held until the account is there. */
function inputRequired(dialect) {
  it('asks inside the call, and holds it until the account is connected', async () => {
    const asked = []
    let walk
    await open(dialect, {
      capabilities: OPENS_LINKS,
      onElicit: (params) => {
        asked.push(params)
        // Agreeing means "opened", not "done": the person takes a while.
        walk = sleep(1000).then(() => connect(browser, params.url, demo))
        return { action: 'accept' }
      },
    })
    await assertConnected()
    await walk
    assert.equal(asked.length, 1)
    assert.equal(asked[0].mode, 'url')
    assertOurs(asked[0].url)
    assert.match(asked[0].message, /Acme/)

    const added = await session.call('acme_add_note', { text: 'milk' })
    assert.ok(!added.isError, textOf(added))
    assert.match(textOf(await session.call('acme_list_notes')), /milk/)
    assert.equal(asked.length, 1, 'asked again for what is connected')
  })

  for (const action of ['decline', 'cancel']) {
    it(`takes ${action} for an answer`, async () => {
      let asked = 0
      await open(dialect, {
        capabilities: OPENS_LINKS,
        onElicit: () => {
          asked++
          return { action }
        },
      })
      const result = await session.call('acme_whoami')
      assert.equal(result.isError, true)
      assert.equal(asked, 1)
    })
  }
}

/** 2025-11-25: the call ends with an error that lists the links; a notification tells when to try again. */
function errorWithLinks(dialect) {
  it('answers with the links, tells when the account is connected, and the next call goes through', async () => {
    const completed = Promise.withResolvers()
    await open(dialect, {
      capabilities: OPENS_LINKS,
      onElicit: () => assert.fail('nothing was to be asked in-band'),
      onComplete: ({ elicitationId }) => completed.resolve(elicitationId),
    })
    const refused = await session.call('acme_whoami').catch((error) => error)
    assert.equal(refused.code, -32042, String(refused))
    assert.equal(refused.constructor.name, 'UrlElicitationRequiredError')
    assert.equal(refused.elicitations.length, 1)
    const [{ mode, url, elicitationId, message }] = refused.elicitations
    assert.equal(mode, 'url')
    assertOurs(url)
    assert.match(message, /Acme/)

    const again = await session.call('acme_list_notes').catch((error) => error)
    assert.equal(again.elicitations?.[0].url, url, 'another link while the first is open')

    await connect(browser, url, demo)
    assert.equal(await within(completed.promise, 'the notification'), elicitationId)
    await assertConnected()
  })
}

/** Everybody else: a failed result with the link as text for people and as data for programs. */
function linkInText(dialect, what, capabilities) {
  it(`${what}: gets the link as text and as data`, async () => {
    await open(dialect, { capabilities, onElicit: capabilities.elicitation && (() => assert.fail('asked in-band')) })
    const result = await session.call('acme_whoami')
    assert.equal(result.isError, true)
    const url = linkOf(result)
    assertOurs(url)
    const lines = textOf(result).split('\n')
    assert.deepEqual(textOf(result).match(/https?:\/\/\S+/g), [url], 'the text holds the link once, and no other')
    assert.ok(lines.some((line) => line.trim() === url), 'the link stands on a line of its own')
    assert.match(textOf(result), /again/i)

    await connect(browser, url, demo)
    await assertConnected()
  })
}
