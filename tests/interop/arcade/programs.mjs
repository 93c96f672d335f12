// Programs as people write them with @arcadeai/arcadejs: `node programs.mjs STORY`. clients.mjs runs them.
//
// USER_ID is whom it is for. Where a person has to open a link, the line `OPEN <url>` asks for it. Exits 0 when the story went as
// it should.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import Arcade from '@arcadeai/arcadejs'
import { executeOrAuthorizeZodTool, isAuthorizationRequiredError, toZod } from '@arcadeai/arcadejs/lib/index'

const user_id = process.env.USER_ID
const KIT_TOOLS = 23

const sent = []
const counting = (url, init) => {
  sent.push(`${init.method} ${new URL(url).pathname}`)
  return fetch(url, init)
}

const client = (options) => new Arcade({ fetch: counting, ...options })

function askToOpen(url) {
  assert.ok(url?.startsWith(process.env.ARCADE_BASE_URL), url)
  console.log(`OPEN ${url}`)
}

/** Everything that a list has, page after page. */
const every = (pages) => Array.fromAsync(pages)

/** The error of this class that comes at once instead of an answer; its message has all the words. */
async function refused(kind, ask, ...words) {
  const before = sent.length
  const error = await ask().then(
    (answer) => assert.fail(`not refused: ${JSON.stringify(answer)}`),
    (error) => error,
  )
  assert.equal(error.constructor, kind, String(error))
  assert.equal(sent.length, before + 1, `sent again: ${error}`)
  for (const word of words) assert.ok(JSON.stringify(error.error).toLowerCase().includes(word), `no ${word} in ${error}`)
  assert.ok(error.error.name && error.error.message, JSON.stringify(error.error))
  return error
}

const execute = (arcade, tool_name, input = {}, rest = {}) => arcade.tools.execute({ tool_name, input, user_id, ...rest })

async function connect(arcade, tool_name) {
  let asked = await arcade.tools.authorize({ tool_name, user_id })
  if (asked.status !== 'completed') {
    askToOpen(asked.url)
    asked = await arcade.auth.waitForCompletion(asked)
  }
  assert.equal(asked.status, 'completed')
}

const stories = {
  /** Authorize, wait, execute. */
  async quickstart() {
    const arcade = client()
    const asked = await arcade.tools.authorize({ tool_name: 'Kit.WhoAtAcme', user_id })
    assert.equal(asked.status, 'pending')
    askToOpen(asked.url)
    const done = await arcade.auth.waitForCompletion(asked)
    assert.equal(done.status, 'completed')
    assert.equal(done.context?.token, undefined, 'a token for a key that may not see any')
    const result = await execute(arcade, 'Kit.WhoAtAcme')
    assert.equal(result.success, true)
    assert.equal(result.output.value.service, 'acme')
    assert.equal(result.output.value.user_id, user_id)
    assert.equal((await arcade.tools.authorize({ tool_name: 'Kit_WhoAtAcme', user_id })).status, 'completed')
  },

  /** A connection for its own sake, waited for by its id. */
  async startWithAProvider() {
    const arcade = client()
    const asked = await arcade.auth.start(user_id, 'github', { scopes: ['repo'] })
    askToOpen(asked.url)
    assert.equal((await arcade.auth.waitForCompletion(asked.id)).status, 'completed')
    assert.equal((await execute(arcade, 'Kit.WhoAtGithub')).output.value.service, 'github')
  },

  /** Where the person goes after it. */
  async backToTheApplication() {
    const arcade = client()
    const asked = await arcade.tools.authorize({ tool_name: 'Kit.WhoAtAcme', user_id, next_uri: process.env.NEXT_URI })
    askToOpen(asked.url)
    assert.equal((await arcade.auth.waitForCompletion(asked)).status, 'completed')
  },

  /** Another person finishes what was begun: nobody gets anything, and who waits is not answered in a rush. */
  async somebodyElse() {
    const arcade = client()
    const { id, url } = await arcade.tools.authorize({ tool_name: 'Kit.WhoAtAcme', user_id })
    askToOpen(url)
    while ((await arcade.auth.status({ id, wait: 5 })).status === 'pending');
    const began = performance.now()
    assert.equal((await arcade.auth.status({ id, wait: 2 })).status, 'failed')
    assert.ok(performance.now() - began > 1500, 'a hot loop for everybody who waits')
    await refused(Arcade.PermissionDeniedError, () => execute(arcade, 'Kit.WhoAtAcme'), 'authorization required')
  },

  /** Catalogues, page after page, in the forms that models want. */
  async lists() {
    const arcade = client()
    const tools = await every(arcade.tools.list({ user_id, toolkit: 'kit', limit: 10, include_format: ['openai', 'anthropic'] }))
    assert.equal(tools.length, KIT_TOOLS)
    assert.deepEqual(sent, Array(3).fill('GET /v1/tools'))
    const add = tools.find(({ qualified_name }) => qualified_name === 'Kit.Add')
    assert.equal(add.fully_qualified_name, 'Kit.Add@1.2.3')
    assert.equal(add.formatted_schema.openai.function.name, 'Kit_Add')
    assert.deepEqual(add.formatted_schema.openai.function.parameters.required, ['a', 'b'])
    assert.equal(add.formatted_schema.anthropic.input_schema.type, 'object')
    const acme = tools.find(({ name }) => name === 'WhoAtAcme').requirements
    assert.equal(acme.met, false)
    assert.equal(acme.authorization.token_status, 'not_started')
    const formatted = await every(arcade.tools.formatted.list({ format: 'openai', toolkit: 'Kit', limit: 20 }))
    assert.equal(formatted.length, KIT_TOOLS)
    assert.equal((await arcade.tools.formatted.get('Kit.Add', { format: 'openai' })).function.name, 'Kit_Add')
    assert.equal((await arcade.tools.get('kit_add')).qualified_name, 'Kit.Add')
  },

  /** Tools with schemas of zod, each with a function that runs it. */
  async zod() {
    const arcade = client()
    const items = await every(arcade.tools.list())
    assert.ok(items.some(({ qualified_name }) => qualified_name === 'modern.test_simple_text'), 'also those of an MCP server')
    const tools = toZod({ tools: items, client: arcade, userId: user_id, executeFactory: executeOrAuthorizeZodTool })
    const tool = (name) => tools.find((candidate) => candidate.name === name)
    assert.equal((await tool('Kit_Add').execute({ a: 1, b: 2 })).output.value, 3)
    await assert.rejects(tool('Kit_Add').execute({ a: 'one', b: 2 }), /Invalid input/)

    const shapes = tool('Kit_Shapes')
    assert.equal(shapes.parameters.safeParse({ color: 'green', tags: [], who: {} }).success, false)
    const input = { color: 'red', tags: ['one'], who: { name: 'Ada', age: null }, ratio: null, flag: null, note: null }
    const result = await shapes.execute(input)
    assert.equal(result.success, true, JSON.stringify(result))
    assert.equal(result.output.value.ratio, 0.5)

    const asked = await tool('Kit_WhoAtAcme').execute({})
    assert.equal(asked.authorization_required, true)
    assert.equal(asked.authorization_response.status, 'pending')
    askToOpen(asked.url)
    await arcade.auth.waitForCompletion(asked.authorization_response)
    assert.equal((await tool('Kit_WhoAtAcme').execute({})).output.value.service, 'acme')
    assert.equal((await tool('modern_test_simple_text').execute({})).success, true)
  },

  /** How tools fail, each run once. */
  async failures() {
    const arcade = client()
    for (const [tool, kind] of [
      ['Kit.AskAgain', 'TOOL_RUNTIME_RETRY'],
      ['Kit.WhichOne', 'TOOL_RUNTIME_CONTEXT_REQUIRED'],
      ['Kit.GiveUp', 'TOOL_RUNTIME_FATAL'],
      ['Kit.TooOften', 'UPSTREAM_RUNTIME_RATE_LIMIT'],
    ]) {
      const { success, output } = await execute(arcade, tool)
      assert.deepEqual([success, output.error.kind], [false, kind])
    }
    const key = `fails-${user_id}`
    const { success, output } = await execute(arcade, 'Kit.Tally', { key, fails: true })
    assert.equal(success, false)
    assert.equal(output.error.stacktrace ?? null, null)
    assert.equal((await execute(arcade, 'Kit.Tallied', { key })).output.value, 1)
    assert.equal(sent.length, 6)
  },

  /** What is refused before any tool runs. */
  async refusals() {
    const arcade = client()
    const error = await refused(Arcade.PermissionDeniedError, () => execute(arcade, 'Kit_WhoAtAcme'), 'authorization required')
    assert.ok(isAuthorizationRequiredError(error), error.message)
    assert.equal(error.error.name, 'authorization_required')
    await refused(Arcade.NotFoundError, () => execute(arcade, 'Kit.NoSuchTool'))
    await refused(Arcade.NotFoundError, () => arcade.tools.get('Kit.NoSuchTool'))
    await refused(Arcade.NotFoundError, () => arcade.auth.status({ id: 'ac_nothing' }))
    await refused(Arcade.BadRequestError, () => arcade.tools.execute({ tool_name: '' }))
    const stranger = client({ apiKey: 'arc_nobody' })
    await refused(Arcade.AuthenticationError, () => execute(stranger, 'Kit.Add', { a: 1, b: 2 }))
  },

  /** The answer gets lost on its way, and the client asks again by itself: the tool runs once. */
  async answerLost() {
    const keys = []
    const lossy = async (url, init) => {
      const response = await counting(url, init)
      if (init.method !== 'POST') return response
      keys.push(new Headers(init.headers).get('idempotency-key'))
      if (keys.length > 1) return response
      await response.text()
      throw new TypeError('the connection was lost')
    }
    const key = `lost-${user_id}`
    const result = await execute(client({ fetch: lossy }), 'Kit.Tally', { key })
    assert.equal(result.output.value, 1, 'it ran again')
    assert.equal(keys.length, 2)
    assert.ok(keys[0] && keys[0] === keys[1], keys)
    const arcade = client()
    assert.equal((await execute(arcade, 'Kit.Tallied', { key })).output.value, 1)
    assert.equal((await execute(arcade, 'Kit.Tally', { key })).output.value, 2, 'another call is another run')
  },

  /** The client gives up waiting and asks again while the tool still runs: it runs once. */
  async answerLate() {
    const key = `late-${user_id}`
    const result = await client({ timeout: 1500 }).tools.execute({ tool_name: 'Kit.Tally', input: { key, seconds: 3 }, user_id })
    assert.equal(result.output.value, 1)
    assert.ok(sent.length > 1, 'it never asked again')
    assert.equal((await execute(client(), 'Kit.Tallied', { key })).output.value, 1)
  },

  /** The same request many times at once: it runs once, and all of them hear what came of it. */
  async allAtOnce() {
    const key = `at-once-${user_id}`
    const order = { tool_name: 'Kit.Tally', input: { key, seconds: 1 }, user_id }
    const ask = () => client().tools.execute(order, { idempotencyKey: key })
    const results = await Promise.all(Array.from({ length: 20 }, ask))
    assert.deepEqual(
      results.map(({ output }) => output.value),
      Array(20).fill(1),
    )
    assert.equal(new Set(results.map(({ id }) => id)).size, 1)
    assert.equal((await execute(client(), 'Kit.Tallied', { key })).output.value, 1)
  },

  /** Runs at a time, and is asked for afterwards. */
  async later() {
    const arcade = client()
    const key = `later-${user_id}`
    const run_at = new Date(Date.now() + 2000).toISOString()
    const scheduled = await execute(arcade, 'Kit.Tally', { key }, { run_at })
    assert.deepEqual([scheduled.execution_type, scheduled.status], ['scheduled', 'pending'])
    let seen
    for (let tries = 0; tries < 100 && seen?.execution_status !== 'completed'; tries++) {
      await sleep(200)
      seen = await arcade.tools.scheduled.get(scheduled.id)
    }
    assert.equal(seen.attempts[0].success, true)
    assert.equal(seen.attempts[0].output.value, 1)
    const all = await every(arcade.tools.scheduled.list({ limit: 100 }))
    assert.ok(all.some(({ id }) => id === scheduled.id))
  },

  /** What operators' programs look at and change. */
  async administration() {
    const arcade = client()
    assert.equal((await arcade.health.check()).healthy, true)
    const providers = await arcade.admin.authProviders.list()
    assert.ok(providers.items.some(({ id }) => id === 'acme'))
    assert.ok(!JSON.stringify(providers).includes('make-believe'), 'a client secret')
    await refused(Arcade.ConflictError, () => arcade.admin.authProviders.create({ id: 'mine' }), '[providers.mine]')

    await connect(arcade, 'Kit.WhoAtAcme')
    const [connection] = await every(arcade.admin.userConnections.list({ user_id, provider_id: 'acme' }))
    assert.equal(connection.user_id, user_id)
    await arcade.admin.userConnections.delete(connection.id)
    assert.deepEqual(await every(arcade.admin.userConnections.list({ user_id })), [])
    await refused(Arcade.PermissionDeniedError, () => execute(arcade, 'Kit.WhoAtAcme'), 'authorization required')

    assert.equal((await arcade.workers.health('kit')).healthy, true)
    assert.equal((await every(arcade.workers.tools('kit', { limit: 10 }))).length, KIT_TOOLS)
    assert.ok((await every(arcade.workers.list())).some(({ id }) => id === 'kit'))
    const worker = { id: 'more', type: 'http', http: { uri: 'http://127.0.0.1:9', secret: 'shh', timeout: 30, retry: 1 } }
    await refused(Arcade.ConflictError, () => arcade.workers.create(worker), '[upstreams.more]')
  },

  /** Secrets go in, and never come out. */
  async secrets() {
    const arcade = client()
    const key = `KEY_${user_id.toUpperCase().replaceAll('-', '_')}`
    const value = `value-of-${key}`
    const made = await arcade.admin.secrets.create(key, { value, description: 'for a test' })
    assert.equal(made.key, key)
    const listed = await arcade.admin.secrets.list()
    assert.ok(!JSON.stringify([made, listed]).includes(value), 'a value came out')
    const mine = listed.items.find((secret) => secret.key === key)
    assert.equal(mine.description, 'for a test')
    await arcade.admin.secrets.delete(mine.id)
    assert.ok(!(await arcade.admin.secrets.list()).items.some((secret) => secret.key === key))
  },
}

await stories[process.argv[2]]()
