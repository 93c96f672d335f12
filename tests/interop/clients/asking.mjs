// Asking for accounts, where the demo is too simple to show it: several providers at once, people who never finish.

import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import { startFixture } from '../fixture/serve.mjs'
import { PAGE_MS, heading, it, linkOf, person, startBrowser, startGateway, textOf } from '../lib.mjs'
import { startProvider } from '../provider.mjs'
import { DIALECTS } from './dialects.mjs'

const OPENS_LINKS = { elicitation: { form: {}, url: {} } }
const dialect = (version) => DIALECTS.find((candidate) => candidate.version === version)
const TOOL = 'both_test_simple_text'

let browser
let fixture
let provider
before(async () => {
  browser = await startBrowser()
  fixture = await startFixture()
  provider = await startProvider()
})
after(async () => {
  await browser?.close()
  await fixture?.close()
  await provider?.close()
})

async function withGateway(elicitation, play) {
  const gateway = await startGateway({
    upstreams: { both: { url: fixture.url, providers: ['one', 'two'] } },
    providers: { one: `${provider.origin}/works`, two: `${provider.origin}/works` },
    elicitation,
  })
  let session
  try {
    await play(gateway, async (version, rest) => {
      const to = { url: gateway.mcp_url, key: gateway.api_key, user: 'alice', ...rest }
      return (session = await dialect(version).open(to))
    })
  } finally {
    await session?.close()
    await gateway.stop()
  }
}

/** Opens all links, one after the other, in one browser: the person signs in once. */
async function openAll(urls, gateway) {
  const context = await browser.newContext()
  context.setDefaultTimeout(PAGE_MS)
  const page = await context.newPage()
  for (const [index, url] of urls.entries()) {
    await page.goto(url)
    if (index === 0) await person.signIn(page, gateway.alice)
    await person.proceed(page)
    await heading(page, /^connected/i)
  }
  await context.close()
}

const assertWorks = async (session) => {
  const result = await session.call(TOOL)
  assert.ok(!result.isError, textOf(result))
}

describe('two accounts that are missing', () => {
  it('are asked for at once, inside the call', () =>
    withGateway('', async (gateway, open) => {
      const links = []
      let walk
      const session = await open('2026-07-28', {
        capabilities: OPENS_LINKS,
        onElicit: ({ url }) => {
          if (links.push(url) === 2) walk = openAll(links, gateway)
          return { action: 'accept' }
        },
      })
      await assertWorks(session)
      await walk
      assert.equal(new Set(links).size, 2)
    }))

  it('are listed in one error', () =>
    withGateway('', async (gateway, open) => {
      const session = await open('2025-11-25', { capabilities: OPENS_LINKS, onElicit: () => assert.fail('in-band') })
      const { code, elicitations } = await session.call(TOOL).catch((error) => error)
      assert.equal(code, -32042)
      assert.equal(new Set(elicitations.map(({ elicitationId }) => elicitationId)).size, 2)
      await openAll(elicitations.map(({ url }) => url), gateway)
      await assertWorks(session)
    }))

  it('stand in one text, and in data where the tool does not say what its data is', () =>
    withGateway('', async (gateway, open) => {
      const session = await open('2025-11-25', {})
      const result = await session.call(TOOL)
      const links = textOf(result).match(/^http\S+$/gm)
      assert.equal(new Set(links).size, 2)
      assert.equal(result.structuredContent.authorization_url, linkOf(result))
      assert.deepEqual(result.structuredContent.connections.map((one) => one.authorization_url), links)
      await openAll(links, gateway)
      await assertWorks(session)
    }))
})

it('a call is held for so long, then answered with the links', () =>
  withGateway('hold = "1s"', async (gateway, open) => {
    let asked = 0
    const session = await open('2026-07-28', {
      capabilities: OPENS_LINKS,
      onElicit: () => {
        asked++
        return { action: 'accept' }
      },
    })
    const began = Date.now()
    const result = await session.call(TOOL)
    const took = Date.now() - began
    assert.ok(took >= 1000 && took < 20_000, `answered after ${took} ms`)
    assert.equal(result.isError, true)
    assert.equal(textOf(result).match(/^http\S+$/gm).length, 2)
    assert.equal(asked, 2, 'asked once for each')
  }))

it('a client may be asked inside the call in 2025-11-25, if the file says so', () =>
  withGateway('overrides = [{ client = "anteroom-*", ask = "url_in_band" }]', async (gateway, open) => {
    const links = []
    let walk
    const session = await open('2025-11-25', {
      capabilities: OPENS_LINKS,
      onElicit: ({ url }) => {
        if (links.push(url) === 2) walk = openAll(links, gateway)
        return { action: 'accept' }
      },
    })
    await assertWorks(session)
    await walk
  }))
