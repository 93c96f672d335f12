// What every story here needs: processes that end with the test, a gateway with a configuration, a browser.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { chromium } from 'playwright-core'

export const HERE = import.meta.dirname
export const ROOT = path.resolve(HERE, '../..')
export const OUT = path.join(HERE, 'out')
const LOGS = path.join(OUT, 'logs')
const ANTEROOM =
  process.env.ANTEROOM_BIN ?? path.join(path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target'), 'debug/anteroom')

/** Python with the official client. */
export const PYTHON = path.join(HERE, '.venv/bin/python')

/** One test. What hangs must not hang the run: the clients' own limits are a minute, and nothing here takes two. */
export const it = (title, run) => test(title, { timeout: 120_000 }, run)

/** How long a program may take until it says that it is ready. */
const START_MS = 30_000

/** A port that was free a moment ago. */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return port
}

const running = new Set()
const scratches = []
// A test that dies must not leave servers behind.
process.on('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'))
  scratches.forEach((dir) => rmSync(dir, { recursive: true, force: true }))
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/**
 * Starts a program whose output goes to a log file, and waits until a line of it matches `ready`. Every line goes to `onLine`.
 *
 * The answer has the match; `output()`, everything the program has printed; `ended`, which tells how it ended, and
 * `stop()`, which makes it end and tells the same.
 */
export async function start(name, command, args, { ready, env, cwd, onLine } = {}) {
  mkdirSync(LOGS, { recursive: true })
  const logFile = path.join(LOGS, `${name}-${process.pid}.log`)
  const log = createWriteStream(logFile, { flags: 'a' })
  const child = spawn(command, args, { env: { ...process.env, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(`ended with ${code ?? signal}`))
  }).finally(() => running.delete(child))

  let output = ''
  let match
  const found = new Promise((resolve) => {
    const read = (line) => {
      output += `${line}\n`
      log.write(`${line}\n`)
      onLine?.(line)
      match ??= ready?.exec(line)
      if (match) resolve(match)
    }
    createInterface(child.stdout).on('line', read)
    createInterface(child.stderr).on('line', read)
    if (!ready) resolve()
  })
  const failed = async (why) => {
    child.kill('SIGKILL')
    throw new Error(`${name}: ${why}; log: ${logFile}\n${output.slice(-2000)}`)
  }
  await Promise.race([
    found,
    ended.then((how) => failed(how)),
    delay(START_MS).then(() => match || !ready || failed(`not ready after ${START_MS} ms`)),
  ])
  return {
    match,
    ended,
    output: () => output,
    async stop() {
      child.kill('SIGTERM')
      const how = await Promise.race([ended, delay(10_000)])
      return how ?? failed('did not end within 10 s of SIGTERM')
    },
  }
}

/** What `promise` yields, if it does so soon. */
export const within = (promise, what, ms = 20_000) =>
  Promise.race([promise, delay(ms).then(() => assert.fail(`${what}: nothing within ${ms} ms`))])

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref())

/** Starts `anteroom`, which has to end in good order when it is stopped. */
export async function startAnteroom(name, args, ready, env) {
  const { match, output, stop } = await start(name, ANTEROOM, args, { ready, env })
  return { match, output, stop: async () => assert.equal(await stop(), 'ended with 0', `${name}, when it was stopped`) }
}

/** Runs `anteroom` to its end, with `input` on its standard input if there is any, and answers what it printed. */
export async function anteroom(args, input) {
  const child = spawn(ANTEROOM, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'inherit'] })
  child.stdin?.end(input)
  const chunks = await child.stdout.toArray()
  if (child.exitCode === null) await once(child, 'exit')
  assert.equal(child.exitCode, 0, `anteroom ${args.join(' ')} ended with ${child.exitCode}`)
  return Buffer.concat(chunks).toString().trim()
}

/** A directory that is gone when the tests are. */
export function scratch() {
  const dir = mkdtempSync(path.join(tmpdir(), 'anteroom-interop-'))
  scratches.push(dir)
  return dir
}

const PASSWORD = 'a password for tests'

/**
 * Starts `anteroom serve` with access by headers for alice and bob.
 *
 * `upstreams` maps names to addresses, or to `{ url, providers, scopes }` where tools need accounts; `providers` maps names to
 * addresses below which `/authorize` and `/token` are, or to `{ toml }`, the lines of the section; `elicitation` is the section
 * of that name.
 */
export async function startGateway({ upstreams, names = 'prefixed', providers = {}, elicitation = '' }) {
  const dir = scratch()
  const port = await freePort()
  const issued = JSON.parse(await anteroom(['keys', 'issue', 'interop', '--user-source', 'team', '--json']))
  const passwordHash = await anteroom(['accounts', 'hash'], `${PASSWORD}\n`)
  const account = (name) => `${name} = { password_hash = "${passwordHash}", email = "${name}@example.com" }`
  const sections = [
    `[server]
listen = "127.0.0.1:${port}"
public_url = "http://localhost:${port}"`,
    `[store]
url = "sled:${dir}/data"
root_keys = [{ id = "interop", key = "${randomBytes(32).toString('base64')}" }]`,
    `[user_sources.team]
type = "accounts"
accounts.${account('alice')}
accounts.${account('bob')}`,
    `[api_keys.interop]
hash = "${issued.hash}"
user_source = "team"`,
    ...Object.entries(providers).map(
      ([name, provider]) =>
        `[providers.${name}]\n` +
        (provider.toml ??
          `authorize_url = "${provider}/authorize"
token_url = "${provider}/token"
client_id = "anteroom"
client_secret = "not a secret"`),
    ),
    ...Object.entries(upstreams).map(([name, upstream]) => {
      // Headers of their own, because one header holds one token.
      const needs = (upstream.providers ?? []).map(
        (provider) => `{ provider = "${provider}", scopes = ${upstream.scopes ?? `["${name}"]`}, header = "x-token-${provider}" }`,
      )
      return `[upstreams.${name}]
url = "${upstream.url ?? upstream}"
${needs.length > 0 ? `auth = [${needs.join(', ')}]` : ''}`
    }),
    `[gateways.work]
user_source = "team"
access = ["headers"]
tools = ["*"]
names = "${names}"`,
    `[elicitation]
${elicitation}`,
  ]
  const config = path.join(dir, 'gateway.toml')
  writeFileSync(config, sections.join('\n\n'))
  const { stop } = await startAnteroom('gateway', ['serve', '--config', config], /listening on/)
  const public_url = `http://localhost:${port}`
  return {
    public_url,
    mcp_url: `${public_url}/mcp/work`,
    api_key: issued.key,
    alice: { name: 'alice', password: PASSWORD },
    stop,
  }
}

/** Starts `anteroom demo`; the answer is what it says about itself, and `stop()`. */
export async function startDemo() {
  const port = await freePort()
  const args = ['demo', '--json', '--listen', `127.0.0.1:${port}`, '--data', scratch()]
  const { match, stop } = await startAnteroom('demo', args, /^\{.*"mcp_url".*\}$/)
  const demo = JSON.parse(match[0])
  const person = (name) => {
    const account = demo.accounts.find((candidate) => candidate.name === name)
    assert.ok(account, `the demo has no account ${name}`)
    return account
  }
  return { ...demo, alice: person('alice'), bob: person('bob'), acme: demo.acme_accounts[0], stop }
}

/** Starts the reference server of the MCP project, which knows sessions and no later revision. */
export async function startEverything() {
  const port = await freePort()
  const main = path.join(HERE, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js')
  const preload = path.join(ROOT, 'examples/company-idp/loopback.mjs')
  const { stop } = await start('everything', process.execPath, ['--import', preload, main, 'streamableHttp'], {
    env: { PORT: String(port) },
    ready: /listening on port/,
  })
  return { url: `http://127.0.0.1:${port}/mcp`, stop }
}

/** The text of a tool result. */
export const textOf = (result) => result.content.map((block) => block.text ?? '').join('\n')

/** The link in a result that asks for an account. Structured content has it too, if the tool has no schema for it. */
export const linkOf = (result) => result._meta?.['dev.anteroom/authorization-required']?.authorization_url

// --- the browser -----------------------------------------------------------------------------------------------------

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** How long a page may take to show what is looked for. */
export const PAGE_MS = 20_000

/** A headless Chromium that contacts nobody but the pages it is sent to. */
export function startBrowser() {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing: install the package chromium, or set CHROMIUM`)
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** The heading of a page, once it is there. */
export const heading = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor()

/** What a person does on the pages, one step each. Controls are found as a screen reader finds them. */
export const person = {
  async signIn(page, { name, password }) {
    await page.getByLabel(/name/i).fill(name)
    await page.getByLabel(/password/i).fill(password)
    await page.getByRole('button', { name: /^(sign|log) in$/i }).click()
  },
  proceed: (page) => page.getByRole('button', { name: /^continue/i }).click(),
  cancel: (page) => page.getByRole('button', { name: 'Cancel' }).click(),
  allow: (page) => page.getByRole('button', { name: 'Allow' }).click(),
  deny: (page) => page.getByRole('button', { name: 'Deny' }).click(),

  /** From a link to the done page. */
  async connect(page, url, demo, account = demo.alice) {
    await page.goto(url)
    await person.signIn(page, account)
    await person.proceed(page)
    await person.signIn(page, demo.acme)
    await person.allow(page)
    await heading(page, CONNECTED)
  },
}

export const CONNECTED = /^connected/i

/** Has the demo's alice connect her account, in a browser of her own. */
export async function connect(browser, url, demo) {
  const context = await browser.newContext()
  context.setDefaultTimeout(PAGE_MS)
  const page = await context.newPage()
  try {
    await person.connect(page, url, demo)
  } catch (error) {
    error.message += `\nat ${page.url()}, which says:\n${await page.locator('body').innerText()}`
    throw error
  } finally {
    await context.close()
  }
}
