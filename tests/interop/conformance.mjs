// The official conformance suite through a gateway: fixture <- gateway <- forwarder <- runner.
//
// What a revision requires is run as one set, as is. Scenarios that the runner reports without scoring them are held to
// the same list of expected failures, each by itself; those of extensions that the gateway does not offer are left out.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, describe } from 'node:test'
import path from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { startFixture } from './fixture/serve.mjs'
import { startForwarder } from './forwarder.mjs'
import { HERE, OUT, freePort, it, person, start, startBrowser, startDemo, startGateway, within } from './lib.mjs'

const RUNNER = path.join(HERE, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
const RESULTS = path.join(OUT, 'conformance')

const RUNS = [
  {
    revision: '2025-11-25',
    upstream: 'both',
    expected: ['expected-failures-2025-11-25.yml'],
    unscored: ['server-session-lifecycle', 'server-sse-polling', 'json-schema-2020-12'],
  },
  {
    revision: '2026-07-28',
    upstream: 'both',
    expected: ['expected-failures-2026-07-28.yml'],
    unscored: ['json-schema-2020-12', 'http-header-validation', 'http-custom-header-server-validation'],
  },
  { revision: '2025-11-25', upstream: 'legacy', expected: ['expected-failures-2025-11-25.yml'], unscored: [] },
  {
    revision: '2026-07-28',
    upstream: 'legacy',
    expected: ['expected-failures-2026-07-28.yml', 'expected-failures-2026-07-28-legacy-upstream.yml'],
    unscored: [],
  },
]
const read = (file) => readFileSync(path.join(HERE, file), 'utf8')

before(() => {
  rmSync(RESULTS, { recursive: true, force: true })
  mkdirSync(RESULTS, { recursive: true })
})

for (const { revision, upstream, expected, unscored } of RUNS) {
  const eras = upstream === 'both' ? 'both eras' : `${upstream} only`
  describe(`clients of ${revision}, upstream that speaks ${eras}`, () => {
    const name = `${revision}-${upstream}`
    const expectedFile = path.join(RESULTS, `${name}-expected.yml`)
    const running = []
    let url
    before(async () => {
      writeFileSync(expectedFile, expected.map(read).join('\n'))
      const fixture = await startFixture({ era: upstream })
      running.unshift(fixture.close)
      const gateway = await startGateway({ upstreams: { fixture: fixture.url }, names: 'plain' })
      running.unshift(gateway.stop)
      const forwarder = await startForwarder({ gateway: gateway.public_url, key: gateway.api_key, user: 'alice' })
      running.unshift(forwarder.close)
      url = `${forwarder.origin}${new URL(gateway.mcp_url).pathname}`
    })
    after(async () => {
      for (const stop of running) await stop()
    })

    const run = async (what, args) => {
      const results = path.join(RESULTS, `${name}-${what}`)
      const common = ['server', '--url', url, '--expected-failures', expectedFile, '--output-dir', results]
      const runner = await start(`conformance-${name}-${what}`, process.execPath, [RUNNER, ...common, ...args])
      const how = await runner.ended
      const output = stripVTControlCharacters(runner.output())
      // What comes last is the verdict on each scenario against the list.
      const verdict = output.slice(output.search(/^(Stale baseline entries|Unexpected failures)/m))
      assert.equal(how, 'ended with 0', `${verdict}\n${failures(results)}`)
      return output
    }

    it('passes what the revision requires, but for the expected failures', async (t) => {
      const output = await run('required', ['--requirements', revision])
      t.diagnostic(output.match(/^Total:.*$/m)[0])
    })

    for (const scenario of unscored) {
      it(`passes ${scenario}, which is not scored`, () =>
        run(scenario, ['--scenario', scenario, '--spec-version', revision]))
    }
  })
}

describe('our authorization server', () => {
  it('passes the scenarios for authorization servers, with a person at the browser', async (t) => {
    const demo = await startDemo()
    t.after(demo.stop)
    const port = await freePort()
    const registration = { client_name: 'Conformance suite', redirect_uris: [`http://127.0.0.1:${port}/callback`] }
    const registered = await fetch(`${demo.public_url}/oauth2/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(registration),
    })
    const { client_id } = await registered.json()
    const args = ['--url', demo.public_url, '--client-id', client_id, '--resource', demo.mcp_url, '-p', String(port)]
    const runner = await start('conformance-authorization', process.execPath, [RUNNER, 'authorization', ...args], {
      ready: /^http\S+\/oauth2\/authorize\?\S+/,
    })
    const browser = await startBrowser()
    t.after(() => browser.close())
    const page = await browser.newPage()
    await page.goto(runner.match[0])
    await page.getByRole('button', { name: 'Allow and sign in' }).click()
    await person.signIn(page, demo.alice)
    assert.equal(await within(runner.ended, 'the end of the suite'), 'ended with 0', runner.output())
    const total = stripVTControlCharacters(runner.output()).match(/^Total: .*$/m)[0]
    assert.match(total, / [1-9]\d* passed, 0 failed/)
    t.diagnostic(total)
  })
})

/** Every failed check of a run, with what the runner says about it. */
function failures(results) {
  const files = readdirSync(results, { recursive: true }).filter((file) => path.basename(file) === 'checks.json')
  return files
    .flatMap((file) => {
      // `server-SCENARIO-TIME/checks.json`, the time as 2026-11-21T11-23-14-506Z.
      const scenario = path.dirname(file).slice('server-'.length, -25)
      return JSON.parse(readFileSync(path.join(results, file), 'utf8')).map((check) => ({ scenario, ...check }))
    })
    .filter(({ scenario, status }) => !scenario.startsWith('tasks-') && /FAILURE|WARNING/.test(status))
    .map(({ scenario, id, errorMessage }) => `${scenario}:${id}: ${errorMessage}`)
    .join('\n')
}

it('gives a reason for each expected failure', () => {
  const lines = RUNS.flatMap(({ expected }) => expected).flatMap((file) => read(file).split('\n'))
  for (const line of lines.filter((line) => /^ *- /.test(line))) assert.match(line, /# \S/, `no reason: ${line}`)
})
