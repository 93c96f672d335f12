// Listing and calling tools of several upstreams through one gateway, in every dialect of the official clients.

import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFixture } from '../fixture/serve.mjs'
import { freePort, it, startEverything, startGateway, textOf } from '../lib.mjs'
import { DIALECTS } from './dialects.mjs'

const LONG = 'everything_trigger-long-running-operation'

let gateway
const upstreams = []
before(async () => {
  const everything = await startEverything()
  const modern = await startFixture({ era: 'modern' })
  const legacy = await startFixture({ era: 'legacy' })
  upstreams.push(everything, modern, legacy)
  gateway = await startGateway({
    upstreams: {
      everything: everything.url,
      modern: modern.url,
      legacy: legacy.url,
      // Nobody listens there: the tools of the others must be served all the same.
      dead: `http://127.0.0.1:${await freePort()}/mcp`,
    },
  })
})
after(async () => {
  await gateway?.stop()
  for (const upstream of upstreams) await (upstream.stop ?? upstream.close)()
})

for (const dialect of DIALECTS) {
  describe(dialect.name, () => {
    let session
    before(async () => {
      session = await dialect.open({ url: gateway.mcp_url, key: gateway.api_key, user: 'alice' })
    })
    after(() => session?.close())

    it(`speaks ${dialect.version}`, () => assert.equal(session.version, dialect.version))

    it('lists the tools of every upstream that lives, under its name, in the same order each time', async () => {
      const names = (await session.list()).map((tool) => tool.name)
      for (const name of ['everything_echo', LONG, 'modern_test_simple_text', 'legacy_test_simple_text']) {
        assert.ok(names.includes(name), `${name} is not among ${names}`)
      }
      assert.deepEqual(new Set(names).size, names.length)
      assert.deepEqual((await session.list()).map((tool) => tool.name), names)
      for (const name of names) assert.match(name, /^(everything|modern|legacy)_[A-Za-z0-9_-]+$/)
    })

    it('calls a tool', async () => {
      assert.equal(textOf(await session.call('everything_echo', { message: 'Grüße 🦀' })), 'Echo: Grüße 🦀')
      assert.equal(textOf(await session.call('everything_get-sum', { a: 2, b: 40 })), 'The sum of 2 and 40 is 42.')
    })

    it('passes every kind of content', async () => {
      for (const upstream of ['modern', 'legacy']) {
        const { content } = await session.call(`${upstream}_test_multiple_content_types`)
        assert.deepEqual(content.map((block) => block.type), ['text', 'image', 'resource'])
      }
    })

    it('passes the error of a tool as its result', async () => {
      for (const upstream of ['modern', 'legacy']) {
        const result = await session.call(`${upstream}_test_error_handling`)
        assert.equal(result.isError, true)
        assert.match(textOf(result), /intentionally returns an error/)
      }
    })

    it('answers an unknown tool with an error', async () => {
      await assert.rejects(session.call('everything_no_such_tool'), { code: -32602 })
      await assert.rejects(session.call('dead_echo'), { code: -32602 })
    })

    it('relays progress', async () => {
      const seen = []
      const onprogress = ({ progress, total }) => seen.push(`${progress}/${total}`)
      const result = await session.call(LONG, { duration: 1, steps: 4 }, { onprogress })
      assert.match(textOf(result), /completed/)
      assert.deepEqual(seen, ['1/4', '2/4', '3/4', '4/4'])
      for (const upstream of ['modern', 'legacy']) {
        seen.length = 0
        await session.call(`${upstream}_test_tool_with_progress`, {}, { onprogress })
        assert.deepEqual(seen, ['0/100', '50/100', '100/100'])
      }
    })

    it('serves two calls at once', async () => {
      const finished = []
      const note = (name) => (result) => finished.push(`${name}: ${textOf(result)}`)
      await Promise.all([
        session.call(LONG, { duration: 1, steps: 1 }).then(note('slow')),
        session.call('everything_echo', { message: 'quick' }).then(note('quick')),
      ])
      assert.equal(finished[0], 'quick: Echo: quick')
      assert.match(finished[1], /^slow: Long running operation completed/)
    })

    for (const upstream of ['modern', 'legacy']) {
      it(`cancels a call at the ${upstream} upstream`, async () => {
        const label = `${dialect.name} to ${upstream}`
        const giveUp = new AbortController()
        const call = session.call(`${upstream}_wait`, { label, seconds: 30 }, { signal: giveUp.signal })
        setTimeout(() => giveUp.abort('changed my mind'), 300)
        await assert.rejects(call)
        let cancelled
        for (let tries = 0; tries < 100 && !cancelled?.includes(label); tries++) {
          await sleep(100)
          cancelled = JSON.parse(textOf(await session.call(`${upstream}_cancelled_waits`)))
        }
        assert.ok(cancelled.includes(label), `the upstream was not told: ${cancelled}`)
      })
    }

    it('refuses a wrong key, and none, and nobody', async () => {
      const refused = (error) => /401|unauthori[sz]ed/i.test([error, error.cause, error.code, error.status].join(' '))
      for (const key of ['arc_wrong', undefined]) {
        await assert.rejects(dialect.open({ url: gateway.mcp_url, key, user: 'alice' }), refused)
      }
      await assert.rejects(dialect.open({ url: gateway.mcp_url, key: gateway.api_key }))
    })
  })
}
