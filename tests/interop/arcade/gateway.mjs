// Everything around a program that was written for Arcade: a tool server, two services where its users have accounts, an
// application that knows the users, and a gateway between them.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { startFixture } from '../fixture/serve.mjs'
import { HERE, PAGE_MS, anteroom, freePort, heading, person, scratch, start, startAnteroom } from '../lib.mjs'
import { startService } from './service.mjs'

const FOLDER = path.join(HERE, 'arcade')

/** Python with the packages of `requirements.txt` here. */
export const PYTHON = path.join(FOLDER, '.venv/bin/python')

/** A secret that tools need, from gateway.toml. */
export const ACME_KEY = 'a-key-that-nobody-is-told'

/** Starts kit.py. It can be stopped, and started `again` where it was. */
export async function startKit({ secret, github, acme }) {
  const port = await freePort()
  const env = { ARCADE_USAGE_TRACKING: '0', ARCADE_WORKER_SECRET: secret, KIT_GITHUB: github.origin, KIT_ACME: acme.origin }
  const args = ['-u', '-W', 'ignore', path.join(FOLDER, 'kit.py'), String(port)]
  const again = () => start('kit', PYTHON, args, { env, ready: /running on http/ })
  let running = await again()
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => running.stop(),
    again: async () => {
      running = await again()
    },
  }
}

/**
 * Starts all of it. `verifier` is the file of the application.
 *
 * `env` is what programs need to know; `output()`, what the gateway has printed.
 */
export async function startAround({ verifier }) {
  const public_url = `http://localhost:${await freePort()}`
  const app = `http://localhost:${await freePort()}`
  const issued = JSON.parse(await anteroom(['keys', 'issue', 'backend', '--user-source', 'app', '--json']))
  const secret = randomBytes(24).toString('base64url')
  const env = { ARCADE_BASE_URL: public_url, ARCADE_API_KEY: issued.key }

  const github = await startService({ name: 'Hub', login: 'ada-at-hub' })
  const acme = await startService({ name: 'Acme', login: 'ada-at-acme' })
  const modern = await startFixture({ era: 'modern' })
  const kit = await startKit({ secret, github, acme })

  const dir = scratch()
  const config = path.join(dir, 'gateway.toml')
  writeFileSync(
    config,
    `[server]
listen = "127.0.0.1:${new URL(public_url).port}"
public_url = "${public_url}"

[store]
url = "sled:${dir}/data"
root_keys = [{ id = "interop", key = "${randomBytes(32).toString('base64')}" }]

[user_sources.app]
type = "app"
title = "App"
verifier_url = "${app}/verify"

[api_keys.backend]
hash = "${issued.hash}"
user_source = "app"
admin = true

[secrets]
ACME_KEY = "\${env:ACME_KEY}"

${github.toml('github')}

${acme.toml('acme')}

[upstreams.kit]
type = "arcade"
url = "${kit.url}"
secret = "\${env:WORKER_SECRET}"

[upstreams.modern]
url = "${modern.url}"

[gateways.work]
user_source = "app"
access = ["headers"]
tools = ["*"]
`,
  )
  const gateway = await startAnteroom('arcade-gateway', ['serve', '--config', config], /listening on/, {
    ACME_KEY,
    WORKER_SECRET: secret,
  })
  const runs = verifier.endsWith('.py') ? [PYTHON, '-u'] : [process.execPath]
  const application = await start(verifier, runs[0], [...runs.slice(1), path.join(FOLDER, verifier), new URL(app).port], {
    env,
    ready: /listens on|running on http/,
  })

  return {
    public_url,
    app,
    key: issued.key,
    kit,
    env: { ...env, ACME_KEY, SERVICE_ACME: acme.origin, SERVICE_GITHUB: github.origin, NEXT_URI: `${app}/after` },
    output: gateway.output,
    async stop() {
      await application.stop()
      await gateway.stop()
      await kit.stop()
      for (const one of [github, acme, modern]) await one.close()
      const said = gateway.output()
      for (const what of [issued.key, secret, ACME_KEY]) assert.ok(!said.includes(what), 'the gateway has printed a secret')
      for (const service of [github, acme]) assert.ok(!service.spoke(said), 'the gateway has printed a token')
    },
  }
}

/** A browser of its own, in which `name` is signed in at the application. */
async function signedIn(browser, around, name) {
  const context = await browser.newContext()
  context.setDefaultTimeout(PAGE_MS)
  const page = await context.newPage()
  await page.goto(around.app)
  await person.signIn(page, { name, password: 'anything' })
  await heading(page, 'Signed in')
  return page
}

/** Has somebody open the link that a program shows, and go on to the page with this heading. */
export async function open(browser, around, name, url, ends = /^connected/i) {
  const page = await signedIn(browser, around, name)
  try {
    await page.goto(url)
    await person.proceed(page)
    await person.allow(page)
    await heading(page, ends)
    return page.url()
  } catch (error) {
    error.message += `\nat ${page.url()}, which says:\n${await page.locator('body').innerText()}`
    throw error
  } finally {
    await page.context().close()
  }
}
