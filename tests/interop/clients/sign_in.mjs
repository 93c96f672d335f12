// From the bare address of a gateway to the result of a tool: official clients sign their user in at the company's provider.
//
// Gateway and company are those of examples/company-idp.

import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFixture } from '../fixture/serve.mjs'
import { approve, at, employee, startCompany } from '../idp.mjs'
import {
  CONNECTED,
  HERE,
  PAGE_MS,
  PYTHON,
  anteroom,
  heading,
  it,
  linkOf,
  person,
  start,
  startBrowser,
  textOf,
} from '../lib.mjs'
import { startProvider } from '../provider.mjs'
import { DIALECTS } from './dialects.mjs'
import { BEFORE_PRM, SIGNING_IN, startClientHost, startProgram } from './oauth.mjs'

const SECRET_TOOL = 'everything_get-env'
const PYTHON_SIGN_IN = path.join(HERE, 'clients/python_sign_in.py')
const ACCESS_TOKEN_MS = 2000

let browser
let company
let host
let fixture
let provider
let api_key
before(async () => {
  browser = await startBrowser()
  fixture = await startFixture()
  provider = await startProvider()
  host = await startClientHost('A client with a document')
  const key = JSON.parse(await anteroom(['keys', 'issue', 'agents', '--user-source', 'company', '--json']))
  api_key = key.key
  company = await startCompany({
    // The gateway fetches the document from this machine, where nobody else's certificate is good.
    env: { SSL_CERT_FILE: host.authority },
    change: (toml) => `${toml.replace('["oauth"]', '["oauth", "headers"]')}
[oauth]
access_token_lifetime = "${ACCESS_TOKEN_MS / 1000}s"
private_metadata_documents = true

[api_keys.agents]
hash = "${key.hash}"
user_source = "company"

${['notes', 'files'].map(needsAccount).join('')}`,
  })
})
after(async () => {
  await company?.stop()
  await host?.close()
  await provider?.close()
  await fixture?.close()
  await browser?.close()
})

/** An upstream whose tools need an account at the provider of that name. */
const needsAccount = (name) => `
[providers.${name}]
authorize_url = "${provider.origin}/works/authorize"
token_url = "${provider.origin}/works/token"
client_id = "anteroom"
client_secret = "not a secret"

[upstreams.${name}]
url = "${fixture.url}"
auth = { provider = "${name}" }
`

/** A browser of somebody's own, in which they approve what programs open. */
async function openBrowser(t, name) {
  const context = await browser.newContext()
  context.setDefaultTimeout(PAGE_MS)
  t.after(() => context.close())
  return { context, browse: (url) => approve(context, url, employee(name)) }
}

/** A program at the gateway, connected. What it sent to `/mcp` and was answered is in `statuses`. */
async function openProgram(t, client, options = {}) {
  const { as = 'alice', name = `Program of ${as}`, document, browse, fetch = globalThis.fetch } = options
  const statuses = []
  const program = await startProgram(client, {
    url: company.mcp_url,
    name,
    document,
    browse: browse ?? (await openBrowser(t, as)).browse,
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      if (String(input) === company.mcp_url && init?.method === 'POST') statuses.push(response.status)
      return response
    },
  })
  t.after(program.close)
  await program.connect()
  return { ...program, statuses }
}

async function assertWorks(program) {
  const result = await program.call('everything_get-sum', { a: 2, b: 40 })
  assert.equal(textOf(result), 'The sum of 2 and 40 is 42.')
}

// They wait for tokens to expire, and need not do so one after the other.
describe('official clients', { concurrency: 2 }, () => {
  for (const client of SIGNING_IN) {
    describe(client.name, { concurrency: 1 }, () => {
      it('registers itself, signs alice in, and calls a tool', async (t) => {
        const program = await openProgram(t, client)
        await assertWorks(program)
        assert.ok((await program.list()).includes(SECRET_TOOL))
        assert.deepEqual(program.kept.asked.toSorted(), ['consent', 'login'])
        assert.ok(!program.kept.client.client_id.startsWith('https:'), 'known by a registration')
        assert.equal(program.statuses[0], 401)
      })

      it('is known by its document, signs alice in, and calls a tool', async (t) => {
        const program = await openProgram(t, client, { document: host.document })
        await assertWorks(program)
        assert.equal(program.kept.client.client_id, host.document)
      })

      it('renews its token when it has expired, without a browser', async (t) => {
        const program = await openProgram(t, client)
        const { opened, tokens } = structuredClone(program.kept)
        await sleep(ACCESS_TOKEN_MS + 500)
        program.statuses.length = 0
        await assertWorks(program)
        assert.equal(program.statuses[0], 401)
        assert.deepEqual(program.kept.opened, opened, 'the browser was opened again')
        assert.notEqual(program.kept.tokens.access_token, tokens.access_token)
        assert.notEqual(program.kept.tokens.refresh_token, tokens.refresh_token)
      })

      it('is refused when its grant is revoked, and signs in again', async (t) => {
        const program = await openProgram(t, client)
        await revoke(program)
        program.statuses.length = 0
        await assertWorks(program)
        assert.equal(program.statuses[0], 401)
        assert.equal(program.kept.opened.length, 2)
        assert.deepEqual(program.kept.asked, [], 'alice was signed in, and had approved this client')
      })
    })
  }

  describe('python', { concurrency: 1 }, () => {
    for (const [mode, document] of [['auto'], ['legacy'], ['auto', true]]) {
      const how = document ? 'is known by its document' : 'registers itself'
      it(`${mode}: ${how}, signs alice in, renews its token, is refused, signs in again`, async (t) => {
        const { browse } = await openBrowser(t, 'alice')
        const opened = []
        const run = await start(`python-sign-in-${mode}`, PYTHON, ['-u', '-W', 'ignore', PYTHON_SIGN_IN, mode], {
          env: { INTEROP_URL: company.mcp_url, INTEROP_DOCUMENT: document ? host.document : '' },
          onLine: (line) => {
            const link = /^OPEN (\S+)$/.exec(line)?.[1]
            if (link) opened.push(browse(link))
          },
        })
        assert.equal(await run.ended, 'ended with 0', run.output())
        const asked = await Promise.all(opened)
        assert.equal(asked.length, 2)
        assert.deepEqual(asked[0].toSorted(), ['consent', 'login'])
        // As above: alice is signed in, and has approved it.
        assert.deepEqual(asked[1], [])
      })
    }
  })
})

/** Ends a grant, as a program does that signs its user out (RFC 7009). */
async function revoke({ kept }) {
  const metadata = await fetch(`${company.public_url}/.well-known/oauth-authorization-server`)
  const { revocation_endpoint } = await metadata.json()
  const { status } = await fetch(revocation_endpoint, {
    method: 'POST',
    body: new URLSearchParams({ token: kept.tokens.refresh_token, client_id: kept.client.client_id }),
  })
  assert.equal(status, 200)
}

it('a client of 2025-03-26, which knows no protected-resource metadata, finds everything at the origin', async (t) => {
  const program = await openProgram(t, BEFORE_PRM)
  await assertWorks(program)
  assert.ok(program.kept.tokens.refresh_token)
})

it('a client that finds no metadata at all takes the paths of 2025-03-26', async (t) => {
  const sdk1 = SIGNING_IN.find(({ name }) => name === 'sdk 1.x')
  const asked = new Set()
  const program = await openProgram(t, sdk1, {
    fetch: (input, init) => {
      const { pathname } = new URL(input)
      asked.add(pathname)
      return pathname.startsWith('/.well-known/') ? new Response(null, { status: 404 }) : fetch(input, init)
    },
  })
  await assertWorks(program)
  assert.ok(asked.has('/register') && asked.has('/token'), [...asked].join())
  assert.equal(new URL(program.kept.opened[0]).pathname, '/authorize')
})

it('what is for admins does not exist for bob', async (t) => {
  const program = await openProgram(t, SIGNING_IN[0], { as: 'bob' })
  await assertWorks(program)
  const listed = await program.list()
  assert.ok(listed.includes('everything_echo') && !listed.includes(SECRET_TOOL), listed.join())
  const [refused, unknown] = await Promise.all(
    [SECRET_TOOL, 'everything_no-such-tool'].map((tool) => program.call(tool).catch((error) => error)),
  )
  assert.equal(refused.code, -32602)
  assert.equal(refused.message.replace(SECRET_TOOL, 'X'), unknown.message.replace('everything_no-such-tool', 'X'))
})

it('a second client asks for itself, and alice need not log in again', async (t) => {
  const { browse } = await openBrowser(t, 'alice')
  const first = await openProgram(t, SIGNING_IN[0], { name: 'First', browse })
  const second = await openProgram(t, SIGNING_IN[1], { name: 'Second', browse })
  assert.deepEqual(first.kept.asked.toSorted(), ['consent', 'login'])
  assert.deepEqual(second.kept.asked, ['consent'])
  assert.notEqual(first.kept.client.client_id, second.kept.client.client_id)
  await assertWorks(second)
})

describe('a tool that needs an account', () => {
  /** Opens a link to connect an account, and logs in as somebody of the company. */
  async function openLink(t, link, name) {
    const { context } = await openBrowser(t)
    const page = await context.newPage()
    await page.goto(link)
    await at.login(page, employee(name))
    return page
  }

  async function connectFor(t, program, tool) {
    const link = linkOf(await program.call(tool))
    assert.ok(link?.startsWith(`${company.public_url}/connect/`), link)

    const bobs = await openLink(t, link, 'bob')
    await heading(bobs, /someone else/)
    assert.equal(linkOf(await program.call(tool)), link, 'the link is still good')

    const alices = await openLink(t, link, 'alice')
    await person.proceed(alices)
    await heading(alices, CONNECTED)
    const result = await program.call(tool)
    assert.ok(!result.isError, textOf(result))
  }

  it('is connected by whom the company says is alice, and by nobody else', async (t) => {
    await connectFor(t, await openProgram(t, SIGNING_IN[0]), 'notes_test_simple_text')
  })

  it('and so for a program that names alice and has an API key', async (t) => {
    const session = await DIALECTS[0].open({ url: company.mcp_url, key: api_key, user: 'alice' })
    t.after(session.close)
    await connectFor(t, session, 'files_test_simple_text')
  })
})
