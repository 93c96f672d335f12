// Programs that were written for Arcade, with a tool server that was: what they do is in programs.py, operating.py and
// programs.mjs, this side gives them a gateway and a person.

import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import path from 'node:path'
import { DIALECTS } from '../clients/dialects.mjs'
import { HERE, it, linkOf, start, startBrowser, textOf } from '../lib.mjs'
import { PYTHON, open, startAround } from './gateway.mjs'

let browser
before(async () => {
  browser = await startBrowser()
})
after(() => browser?.close())

/** A gateway that is there for all tests of a `describe`. */
function around(options) {
  const there = {}
  before(async () => Object.assign(there, await startAround(options)))
  after(() => there.stop?.())
  return there
}

/** Plays a story for a user of its own. `who` opens the links, and sees a page with the heading `ends` at last. */
async function play(there, [command, ...args], story, { env, who, ends, nextUri } = {}) {
  const user = `${story.toLowerCase().replaceAll('_', '-')}-${env?.CLIENT?.toLowerCase() ?? 'js'}`
  const walks = []
  const onLine = (line) => {
    const url = /^OPEN (\S+)$/.exec(line)?.[1]
    if (url) walks.push(open(browser, there, who ?? user, url, ends))
  }
  const run = await start(`arcade-${user}`, command, [...args, story], { env: { ...there.env, ...env, USER_ID: user }, onLine })
  const ended = await run.ended
  for (const walk of await Promise.allSettled(walks)) {
    assert.equal(walk.status, 'fulfilled', `${walk.reason}\n${run.output()}`)
    if (nextUri) assert.equal(walk.value, nextUri())
  }
  assert.equal(ended, 'ended with 0', run.output())
}

const python = (file) => [PYTHON, '-u', '-W', 'ignore', path.join(HERE, 'arcade', file)]

for (const CLIENT of ['Arcade', 'AsyncArcade']) {
  describe(`arcadepy, ${CLIENT}`, () => {
    const there = around({ verifier: 'verifier.py' })
    const users = (title, story, rest) => it(title, () => play(there, python('programs.py'), story, { env: { CLIENT }, ...rest }))
    const operators = (title, story) => it(title, () => play(there, python('operating.py'), story, { env: { CLIENT } }))

    users('asks for an account, waits, and runs a tool', 'quickstart')
    users('connects a provider for its own sake', 'start_with_a_provider')
    users('runs at once what needs nothing, by any of its names', 'nothing_to_ask')
    users('has people come back to the application', 'back_to_the_application', { nextUri: () => there.env.NEXT_URI })
    users('gives nobody what somebody else finished', 'somebody_else', { who: 'mallory', ends: 'Not connected' })
    users('lists tools, for a user and page after page', 'lists')
    users('shows tools in the forms that models want', 'formats')
    users('serves an agent', 'agent')
    users('runs tools of an MCP server', 'tools_of_mcp')
    users('tells how tools fail, and runs each once', 'failures')
    users('refuses in the words that programs look for', 'refusals')
    users('renews a token that is refused, and asks when the grant is gone', 'token_refused')
    operators('runs a tool later', 'later')
    operators('tells and starts all that several tools need', 'requirements')
    operators('administers providers, connections and workers', 'administration')
    operators('keeps secrets', 'secrets')
    operators('serves the other addresses', 'other_paths')
    it('answers when the tool server is gone, and goes on when it is back', async () => {
      await play(there, python('operating.py'), 'worker_is_there', { env: { CLIENT } })
      await there.kit.stop()
      await play(there, python('operating.py'), 'worker_is_gone', { env: { CLIENT } })
      await there.kit.again()
      await play(there, python('operating.py'), 'worker_is_there', { env: { CLIENT } })
    })
  })
}

describe('arcadejs', () => {
  const there = around({ verifier: 'verifier.mjs' })
  const javascript = [process.execPath, path.join(HERE, 'arcade/programs.mjs')]
  const story = (title, name, rest) => it(title, () => play(there, javascript, name, rest))

  story('asks for an account, waits, and runs a tool', 'quickstart')
  story('connects a provider for its own sake', 'startWithAProvider')
  story('has people come back to the application', 'backToTheApplication', { nextUri: () => there.env.NEXT_URI })
  story('gives nobody what somebody else finished', 'somebodyElse', { who: 'mallory', ends: 'Not connected' })
  story('lists tools in all forms', 'lists')
  story('makes zod tools, which ask for an account when they need one', 'zod')
  story('tells how tools fail, and runs each once', 'failures')
  story('refuses in the words that programs look for', 'refusals')
  story('runs a tool once whose answer gets lost', 'answerLost')
  story('runs a tool once whose answer is late', 'answerLate')
  story('runs a tool once that is asked for many times at once', 'allAtOnce')
  story('runs a tool later', 'later')
  story('administers providers, connections and workers', 'administration')
  story('keeps secrets', 'secrets')

  for (const dialect of [DIALECTS.at(1), DIALECTS.at(-1)]) {
    it(`shows the same tools to MCP clients: ${dialect.name}`, async () => {
      const user = `mcp-${dialect.version}`
      const session = await dialect.open({ url: `${there.public_url}/mcp/work`, key: there.key, user })
      try {
        const tools = new Map((await session.list()).map((tool) => [tool.name, tool]))
        assert.ok(tools.has('modern_test_simple_text'))
        assert.equal(tools.get('Kit_DeleteNote').annotations.destructiveHint, true)
        assert.equal(tools.get('Kit_Add').annotations.readOnlyHint, true)
        assert.match(tools.get('Kit_OldAdd').description, /^\[DEPRECATED: Use Add\]/)
        assert.equal(tools.get('Kit_Shapes').inputSchema.properties.hidden, undefined)
        const added = await session.call('Kit_Add', { a: 1, b: 2 })
        assert.deepEqual(added.structuredContent, { result: 3 })
        const failed = await session.call('Kit_AskAgain')
        assert.equal(failed.isError, true)
        assert.match(textOf(failed), /The cities are Oslo and Bergen/)
        const asked = await session.call('Kit_WhoAtAcme')
        assert.equal(asked.isError, true)
        await open(browser, there, user, linkOf(asked))
        assert.match(textOf(await session.call('Kit_WhoAtAcme')), /ada-at-acme/)
      } finally {
        await session.close()
      }
    })
  }
})
