// A company with an identity provider: `examples/company-idp` as it ships, on free ports. And its people, at a browser.

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { HERE, OUT, PAGE_MS, ROOT, freePort, heading, start, startAnteroom } from './lib.mjs'

const SHIPPED = path.join(ROOT, 'examples/company-idp')
const GATEWAY_TOML = readFileSync(path.join(SHIPPED, 'gateway.toml'), 'utf8')
// A copy below the folder whose packages it needs; each process has its own.
const COPY = path.join(OUT, `company-idp-${process.pid}`)
cpSync(SHIPPED, COPY, { recursive: true, filter: (file) => !/\/(node_modules|data|root\.key)$/.test(file) })
process.on('exit', () => rmSync(COPY, { recursive: true, force: true }))

// What the example asks npm for is what runs here.
const asked = JSON.parse(readFileSync(path.join(SHIPPED, 'package.json'))).dependencies
const installed = JSON.parse(readFileSync(path.join(HERE, 'package.json'))).dependencies
for (const [name, version] of Object.entries(asked)) assert.equal(version, installed[name], `the example's version of ${name}`)

const { PEOPLE, startIdp } = await import(pathToFileURL(path.join(COPY, 'idp.mjs')))

/** Somebody of the company, as they sign in. */
export const employee = (name) => ({ name, password: PEOPLE[name].password })

let made = 0

/**
 * Starts a gateway with the example's gateway.toml, and the company that it is for.
 *
 * The company is as `npm start` has it; or, with `tools`, the provider runs in this process with these options of its own, and
 * `tools` is the address of the upstream. `change` takes the file and gives another; `env` is the gateway's environment.
 */
export async function startCompany({ tools, idp: options, change = (toml) => toml, env }) {
  const public_url = `http://localhost:${await freePort()}`
  const company = await (tools ? inThisProcess(public_url, tools, options) : asShipped(public_url))
  const dir = path.join(COPY, `gateway-${made++}`)
  mkdirSync(dir)
  const config = path.join(dir, 'gateway.toml')
  const write = (change) => writeFileSync(config, change(onOtherPorts({ public_url, ...company })))
  write(change)
  const serving = startAnteroom('company-gateway', ['serve', '--config', config], /listening on/, env)
  const gateway = await serving.catch(async (error) => {
    await company.stop()
    throw error
  })
  return {
    public_url,
    mcp_url: `${public_url}/mcp/work`,
    ...company,
    write,
    output: gateway.output,
    async stop() {
      await gateway.stop()
      await company.stop()
    },
  }
}

async function inThisProcess(gateway, tools, options) {
  const idp = await startIdp({ gateway, ...options })
  return { tools, idp, issuer: idp.issuer, stop: idp.close }
}

async function asShipped(gateway) {
  const [idp, tools] = [await freePort(), await freePort()]
  let unready = 2
  const isReady = (line) => /identity provider: |listening on port/.test(line) && --unready === 0
  const ready = { exec: (line) => (isReady(line) ? [line] : null) }
  const args = [path.join(COPY, 'start.mjs'), '--port', String(idp), '--gateway', gateway]
  const { stop } = await start('company', process.execPath, args, { ready, env: { TOOLS_PORT: String(tools) } })
  return { tools: `http://127.0.0.1:${tools}/mcp`, issuer: `http://127.0.0.1:${idp}`, stop }
}

/** The example's file, with other ports and nothing else changed. */
function onOtherPorts({ public_url, tools, issuer }) {
  const replacements = {
    '127.0.0.1:8080': `127.0.0.1:${new URL(public_url).port}`,
    'http://localhost:8080': public_url,
    'http://127.0.0.1:9000': issuer,
    'http://127.0.0.1:3001/mcp': tools,
  }
  return Object.entries(replacements).reduce((toml, [from, to]) => {
    assert.ok(toml.includes(`"${from}"`), `the example does not say "${from}"`)
    return toml.replaceAll(`"${from}"`, `"${to}"`)
  }, GATEWAY_TOML)
}

// --- a person of the company, at a browser ---------------------------------------------------------------------------

export const LOGIN = /company account/
export const CONSENT = /wants to use The Company's tools for you/

/** What a program shows in the browser when it has its answer. */
export const BACK = 'You can close this window and go back to your program.'

/** Does `act`, and waits until the browser is somewhere else. */
export async function leaving(page, act) {
  const left = page.waitForEvent('framenavigated', { predicate: (frame) => frame === page.mainFrame() })
  await act()
  await left
}

export const at = {
  async login(page, { name, password }) {
    await heading(page, LOGIN)
    await page.getByLabel('User name').fill(name)
    await page.getByLabel('Password').fill(password)
    await leaving(page, () => page.getByRole('button', { name: 'Sign in' }).click())
  },
  async consent(page) {
    await heading(page, CONSENT)
    await leaving(page, () => page.getByRole('button', { name: /^allow/i }).click())
  },
}

/**
 * Opens a link of a client that wants to be let in, and does what the pages ask for, until the browser is back at the client.
 *
 * Tells what they asked for, in order: 'consent', 'login'.
 */
export async function approve(context, url, who) {
  context.setDefaultTimeout(PAGE_MS)
  const page = await context.newPage()
  const login = page.getByRole('heading', { level: 1, name: LOGIN })
  const consent = page.getByRole('heading', { level: 1, name: CONSENT })
  const back = page.getByText(BACK)
  const asked = []
  try {
    await page.goto(url)
    for (;;) {
      await login.or(consent).or(back).first().waitFor()
      if (await back.isVisible()) return asked
      const step = (await login.isVisible()) ? 'login' : 'consent'
      assert.ok(!asked.includes(step), `asked for ${step} again`)
      asked.push(step)
      await at[step](page, who)
    }
  } catch (error) {
    error.message += `\nafter ${asked} at ${page.url()}, which says:\n${await page.locator('body').innerText()}`
    throw error
  } finally {
    await page.close()
  }
}
