// Schemathesis against the OpenAPI document that a gateway publishes: what the document says, and what it does not, is sent to
// every path, and the answers must be what the document says.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { test } from 'node:test'
import path from 'node:path'
import { startAround } from './gateway.mjs'
import { HERE, OUT, start } from '../lib.mjs'

const REPORTS = path.join(OUT, 'schemathesis')
const SCHEMATHESIS = path.join(HERE, 'arcade/.venv/bin/schemathesis')
const HOOKS = path.join(HERE, 'arcade/schemathesis_hooks.py')

/** How long it may go on with the parts that could go on for ever. Seconds. */
const BUDGET_S = 90

/** What does not hold, and need not. */
const LEFT_OUT = [
  // A name that nothing has is 400 or 404, however well it is spelled.
  'positive_data_acceptance',
]

test('answers as its OpenAPI document says, whatever is sent', { timeout: 300_000 }, async () => {
  const around = await startAround({ verifier: 'verifier.mjs' })
  try {
    const document = `${around.public_url}/v1/openapi.json`
    const { paths } = await (await fetch(document, { headers: { authorization: around.key } })).json()
    const operations = Object.values(paths).reduce((count, path) => count + Object.keys(path).length, 0)
    assert.ok(operations >= 25, `only ${operations} operations`)

    const options = [
      ['--header', `Authorization: Bearer ${around.key}`],
      ['--exclude-checks', LEFT_OUT.join(',')],
      ['--max-time', BUDGET_S],
      ['--max-examples', 15],
      ['--seed', 1],
      ['--request-timeout', 70],
      ['--generation-database', 'none'],
      ['--report', 'ndjson'],
      ['--report-dir', REPORTS],
    ]
    const args = ['run', document, '--no-color', '--continue-on-failure', ...options.flat().map(String)]
    // It keeps notes where it stands.
    mkdirSync(REPORTS, { recursive: true })
    const env = { SCHEMATHESIS_HOOKS: HOOKS }
    const run = await start('schemathesis', SCHEMATHESIS, args, { cwd: REPORTS, env })
    assert.equal(await run.ended, 'ended with 0', run.output().slice(-20_000))
    assert.doesNotMatch(around.output(), /panicked/)
  } finally {
    await around.stop()
  }
})
