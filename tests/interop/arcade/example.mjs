// `examples/arcade` as it ships, on free ports: its program, its tool server, its gateway.toml, and ada, who opens the link.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before } from 'node:test'
import path from 'node:path'
import { DIALECTS } from '../clients/dialects.mjs'
import { CONNECTED, HERE, PAGE_MS, ROOT, anteroom, freePort, heading, it, person, scratch, start, startAnteroom, startBrowser } from '../lib.mjs'
import { NOTES } from '../own_app.mjs'
import { PYTHON } from './gateway.mjs'

const SHIPPED = path.join(ROOT, 'examples/arcade')
const read = (file) => readFileSync(path.join(SHIPPED, file), 'utf8')

const SIGNATURE = 'The house'
/** What README.md says of her. */
const ADA = { name: 'ada', password: 'lovelace' }

let around
let browser
before(async () => {
  browser = await startBrowser()
  around = await startAround()
})
after(async () => {
  await browser?.close()
  await around?.stop()
})

/** What README.md starts, in its order. */
async function startAround() {
  const { key, hash } = JSON.parse(await anteroom(['keys', 'issue', 'program', '--user-source', 'team', '--json']))
  const public_url = `http://localhost:${await freePort()}`
  const secret = 'a secret of the tool server and the gateway'

  const notesPort = String(await freePort())
  const notes_url = `http://127.0.0.1:${notesPort}`
  const notes = await start('example-notes', process.execPath, [NOTES, '--port', notesPort], { ready: /^Notes: / })

  const port = String(await freePort())
  // The secret is not in its environment: the one that it signs with comes from the gateway.
  const server = await start('example-server', PYTHON, ['-u', '-W', 'ignore', path.join(SHIPPED, 'server.py'), port], {
    env: { ARCADE_USAGE_TRACKING: '0', ARCADE_WORKER_SECRET: secret, NOTES_URL: notes_url, SIGNATURE: undefined },
    ready: /running on http/,
  })

  const dir = scratch()
  const config = path.join(dir, 'gateway.toml')
  const replacements = {
    '127.0.0.1:8080': `127.0.0.1:${new URL(public_url).port}`,
    'http://localhost:8080': public_url,
    'http://127.0.0.1:8002': `http://127.0.0.1:${port}`,
    'http://127.0.0.1:3100': notes_url,
  }
  const toml = Object.entries(replacements).reduce((toml, [from, to]) => {
    assert.ok(toml.includes(`"${from}`), `the example does not say "${from}"`)
    return toml.replaceAll(`"${from}`, `"${to}`)
  }, read('gateway.toml'))
  writeFileSync(config, toml)
  const gateway = await startAnteroom('example-gateway', ['serve', '--config', config], /listening on/, {
    PROGRAM_KEY_HASH: hash,
    ARCADE_WORKER_SECRET: secret,
    SIGNATURE,
  })
  return {
    public_url,
    key,
    async stop() {
      await gateway.stop()
      await server.stop()
      await notes.stop()
      for (const what of [key, secret, SIGNATURE]) assert.ok(!gateway.output().includes(what), 'the gateway has printed a secret')
    },
  }
}

/** Runs the program. `onLink` is whoever opens the link that it prints; without anybody, it must not print one. */
async function runProgram(onLink) {
  const env = { ARCADE_BASE_URL: around.public_url, ARCADE_API_KEY: around.key }
  let walk
  const onLine = (line) => {
    const url = /^Open this as ada, and come back: (\S+)$/.exec(line)?.[1]
    if (url) walk = onLink ? onLink(url) : Promise.reject(new Error(`asked again: ${line}`))
    walk?.catch(() => {})
  }
  const program = await start('example-program', PYTHON, ['-u', '-W', 'ignore', path.join(SHIPPED, 'program.py')], { env, onLine })
  const ended = await program.ended
  await walk
  assert.equal(ended, 'ended with 0', program.output())
  assert.ok(!onLink || walk, `nobody was asked:\n${program.output()}`)
  return program.output()
}

/** A browser of ada's own. */
async function adasPage() {
  const context = await browser.newContext()
  context.setDefaultTimeout(PAGE_MS)
  return context.newPage()
}

/** Has ada follow the link, and choose this account at Notes. */
const choosing = (account) => async (url) => {
  const page = await adasPage()
  try {
    await page.goto(url)
    await person.signIn(page, ADA)
    await person.proceed(page)
    await heading(page, 'Notes')
    await page.getByLabel(account).check()
    await person.allow(page)
    await heading(page, CONNECTED)
  } finally {
    await page.context().close()
  }
}

it('needs the versions that are tested here', () => {
  const tested = new Set(readFileSync(path.join(HERE, 'arcade/requirements.txt'), 'utf8').split('\n'))
  for (const line of read('requirements.txt').trim().split('\n')) assert.ok(tested.has(line), `${line} is not what is tested`)
})

it('lists, runs, signs, and waits for ada', async () => {
  const printed = await runProgram(choosing('Ada (private)'))
  assert.match(printed, /^Desk\.Add: Adds two numbers$/m)
  assert.match(printed, /^Desk\.WhoseNotes: Tells whose notes the user has connected$/m)
  assert.match(printed, /^Desk\.Add: 42$/m)
  assert.match(printed, /^Desk\.Sign: See you at noon\.\n-- The house$/m)
  assert.match(printed, /^Desk\.WhoseNotes: Ada \(private\)$/m)
})

it('asks nobody the second time', async () => {
  assert.match(await runProgram(), /^Desk\.WhoseNotes: Ada \(private\)$/m)
})

it('shows the same tools to MCP clients', async () => {
  for (const dialect of [DIALECTS.at(0), DIALECTS.at(-1)]) {
    const session = await dialect.open({ url: `${around.public_url}/mcp/desk`, key: around.key, user: ADA.name })
    try {
      const names = (await session.list()).map(({ name }) => name)
      assert.deepEqual(names.sort(), ['Desk_Add', 'Desk_Sign', 'Desk_WhoseNotes'])
      assert.deepEqual((await session.call('Desk_WhoseNotes')).structuredContent, { result: 'Ada (private)' })
    } finally {
      await session.close()
    }
  }
})

it('asks again after ada has ended the connection', async () => {
  const page = await adasPage()
  await page.goto(`${around.public_url}/connections`)
  await person.signIn(page, ADA)
  await heading(page, 'Your connections')
  await page.getByRole('link', { name: /^Disconnect / }).click()
  await page.getByRole('button', { name: 'Disconnect' }).click()
  await page.getByRole('status').getByText(/is disconnected/).waitFor()
  await page.context().close()
  assert.match(await runProgram(choosing('Ada (work)')), /^Desk\.WhoseNotes: Ada \(work\)$/m)
})
