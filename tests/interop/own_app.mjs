// An application that vouches for its own users: `examples/own-app` as it ships, on free ports.

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { HERE, OUT, ROOT, anteroom, freePort, startAnteroom } from './lib.mjs'

const SHIPPED = path.join(ROOT, 'examples/own-app')
const GATEWAY_TOML = readFileSync(path.join(SHIPPED, 'gateway.toml'), 'utf8')
// A copy below the folder whose packages it needs; each process has its own.
const COPY = path.join(OUT, `own-app-${process.pid}`)
cpSync(SHIPPED, COPY, { recursive: true, filter: (file) => !/\/(node_modules|data|root\.key|planner\.key\.json)$/.test(file) })
process.on('exit', () => rmSync(COPY, { recursive: true, force: true }))

// What the example asks npm for is what runs here.
const asked = JSON.parse(readFileSync(path.join(SHIPPED, 'package.json'))).dependencies
const installed = JSON.parse(readFileSync(path.join(HERE, 'package.json'))).dependencies
for (const [name, version] of Object.entries(asked)) assert.equal(version, installed[name], `the example's version of ${name}`)

/** Notes, to be run as a program of its own. */
export const NOTES = path.join(COPY, 'notes.mjs')

const { PEOPLE, startApp } = await import(pathToFileURL(path.join(COPY, 'app.mjs')))
const { startNotes } = await import(pathToFileURL(NOTES))

/** Somebody with an account at Planner, as they sign in. */
export const user = (name) => ({ name, password: PEOPLE[name] })

let made = 0

/** Starts Planner, Notes and a gateway with the example's gateway.toml, of which only the ports are others. */
export async function startPlanner() {
  const public_url = `http://localhost:${await freePort()}`
  const { key, hash } = JSON.parse(await anteroom(['keys', 'issue', 'planner', '--user-source', 'planner', '--json']))
  const notes = await startNotes()
  const app = await startApp({ gateway: public_url, key })
  const replacements = {
    '127.0.0.1:8080': `127.0.0.1:${new URL(public_url).port}`,
    'http://localhost:8080': public_url,
    'http://localhost:3000': app.origin,
    'http://127.0.0.1:3100': notes.url,
  }
  const toml = Object.entries(replacements).reduce((toml, [from, to]) => {
    assert.ok(toml.includes(`"${from}`), `the example does not say "${from}"`)
    return toml.replaceAll(`"${from}`, `"${to}`)
  }, GATEWAY_TOML)
  const dir = path.join(COPY, `gateway-${made++}`)
  mkdirSync(dir)
  const config = path.join(dir, 'gateway.toml')
  writeFileSync(config, toml)
  const env = { PLANNER_KEY_HASH: hash }
  const gateway = await startAnteroom('planner-gateway', ['serve', '--config', config], /listening on/, env)
  return {
    public_url,
    app: app.origin,
    key,
    config,
    env,
    notes,
    output: gateway.output,
    async stop() {
      await gateway.stop()
      await app.close()
      await notes.close()
    },
  }
}
