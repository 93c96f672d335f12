// The official Python client: what it does is in python_client.py, this side gives it a gateway and a person.

import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import path from 'node:path'
import { startFixture } from '../fixture/serve.mjs'
import { HERE, PYTHON, connect, it, start, startBrowser, startDemo, startEverything, startGateway } from '../lib.mjs'

const SCRIPT = path.join(HERE, 'clients/python_client.py')

async function play(story, mode, env, open) {
  const args = ['-u', '-W', 'ignore', SCRIPT, story, mode]
  const run = await start(`python-${story}-${mode}`, PYTHON, args, { env, ready: open && /^OPEN (\S+)$/ })
  if (open) await open(run.match[1])
  assert.equal(await run.ended, 'ended with 0', run.output())
}

describe('calling tools', () => {
  const upstreams = []
  let env
  let gateway
  before(async () => {
    const everything = await startEverything()
    const modern = await startFixture({ era: 'modern' })
    const legacy = await startFixture({ era: 'legacy' })
    upstreams.push(everything, modern, legacy)
    gateway = await startGateway({ upstreams: { everything: everything.url, modern: modern.url, legacy: legacy.url } })
    env = { INTEROP_URL: gateway.mcp_url, INTEROP_KEY: gateway.api_key, INTEROP_USER: 'alice' }
  })
  after(async () => {
    await gateway?.stop()
    for (const upstream of upstreams) await (upstream.stop ?? upstream.close)()
  })
  for (const mode of ['auto', 'legacy']) {
    it(`${mode}: lists, calls, follows progress, cancels`, () => play('tools', mode, env))
    it(`${mode}: is refused with a wrong key`, () => play('wrong_key', mode, env))
  }
})

describe('connecting an account', () => {
  let browser
  before(async () => {
    browser = await startBrowser()
  })
  after(() => browser?.close())

  const story = (title, name, mode, opens = true) =>
    it(title, async () => {
      const demo = await startDemo()
      try {
        const env = {
          INTEROP_URL: demo.mcp_url,
          INTEROP_KEY: demo.api_key,
          INTEROP_USER: demo.alice.name,
          INTEROP_DISPLAY_NAME: demo.acme.display_name,
        }
        await play(name, mode, env, opens && ((url) => connect(browser, url, demo)))
      } finally {
        await demo.stop()
      }
    })

  story('auto: is asked inside the call, which is held until the account is there', 'input_required', 'auto')
  story('auto: may decline', 'declined', 'auto', false)
  story('auto, no elicitation: gets the link as text', 'link_in_text', 'auto')
  story('legacy: gets the error with the links, and is told when to try again', 'error_with_links', 'legacy')
  story('legacy, no elicitation: gets the link as text', 'link_in_text', 'legacy')
})
