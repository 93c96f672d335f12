// The half of the story that happens in a browser, and what each page looks like.
//
// Pictures of every kind of page (light, dark, phone) end up in out/screens.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CONNECTED,
  heading,
  it,
  linkOf,
  person,
  startBrowser,
  startDemo,
  startGateway,
  textOf,
  within,
} from './lib.mjs'
import { DIALECTS } from './clients/dialects.mjs'
import { startFixture } from './fixture/serve.mjs'
import { browsersOf, look, statusOf } from './pages.mjs'
import { startProvider } from './provider.mjs'

const NOT_CONNECTED = /was not connected/

let browser
let fixture
let provider
let demo
let session
let browsers

// A link that is made first and looked at by the last test: no link is good for less than a minute.
const LIFETIME_MS = 60_000
const old = {}

before(async () => {
  browser = await startBrowser()
  browsers = browsersOf(browser)
  fixture = await startFixture()
  provider = await startProvider()

  old.gateway = await startAround(['works'], 'flow_lifetime = "1m"')
  await openSession(old.gateway)
  old.link = linkOf(await session.call('works_test_simple_text'))
  old.since = Date.now()
  await session.close()
})
after(async () => {
  await old.gateway?.stop()
  await browser?.close()
  await fixture?.close()
  await provider?.close()
})

/** A gateway whose upstreams each need an account at the provider that behaves as the name says. */
const startAround = (behaviours, elicitation) =>
  startGateway({
    upstreams: Object.fromEntries(behaviours.map((name) => [name, { url: fixture.url, providers: [name] }])),
    providers: Object.fromEntries(behaviours.map((name) => [name, `${provider.origin}/${name}`])),
    elicitation,
  })

/** Signs in as alice's client at a gateway, which may be the demo's. */
const openSession = async ({ mcp_url, api_key }) => {
  session = await DIALECTS[0].open({ url: mcp_url, key: api_key, user: 'alice' })
}
const withDemo = (title, play) =>
  it(title, async () => {
    demo = await startDemo()
    await openSession(demo)
    await play()
  })
afterEach(async () => {
  const wrong = await browsers.close()
  await session?.close()
  await demo?.stop()
  session = demo = undefined
  assert.deepEqual(wrong, [])
})

/** Calls a tool as alice: the account's name if it is connected, and the link if it is not. */
async function whoami() {
  const result = await session.call('acme_whoami')
  return { connected: !result.isError && textOf(result).includes(demo.acme.display_name), link: linkOf(result) }
}

const openBrowser = (hosts = [demo.public_url, demo.acme_url]) => browsers.open(hosts)

withDemo('leads from the link to the done page, and says at each step what is going on', async () => {
  const { link } = await whoami()
  const page = await openBrowser()

  assert.equal(await statusOf(page, link), 200)
  await look(page, 'sign-in')
  await person.signIn(page, { name: demo.alice.name, password: 'not the password' })
  await page.getByRole('alert').filter({ hasText: /wrong/i }).waitFor()
  await look(page, 'sign-in-wrong-password')
  await person.signIn(page, demo.alice)

  // Who asks whom for what, and for whom.
  await heading(page, /anteroom-interop.*Acme/)
  const facts = await page.getByRole('main').innerText()
  for (const fact of [/notes/i, new RegExp(demo.alice.name, 'i'), new URL(demo.acme_url).host]) {
    assert.ok(facts.search(fact) >= 0, `the page does not say ${fact}: ${facts}`)
  }
  await look(page, 'consent')
  assert.equal((await whoami()).link, link)
  await person.proceed(page)

  await heading(page, /log in/i)
  await look(page, 'acme-sign-in')
  await person.signIn(page, demo.acme)
  await heading(page, /asks for/i)
  await look(page, 'acme-consent')
  await person.allow(page)

  await heading(page, CONNECTED)
  await look(page, 'done')
  assert.ok((await whoami()).connected)

  await page.goto(link)
  await heading(page, CONNECTED)
})

withDemo('changes nothing when a link is only fetched', async () => {
  const { link } = await whoami()
  for (const method of ['HEAD', 'GET', 'GET']) await fetch(link, { method, redirect: 'manual' })
  assert.equal((await whoami()).link, link)
})

withDemo('refuses somebody else, and the link still works for whom it was made', async () => {
  const { link } = await whoami()
  const bobs = await openBrowser()
  await bobs.goto(link)
  await person.signIn(bobs, demo.bob)
  await heading(bobs, /someone else/)
  await look(bobs, 'refused')
  assert.equal(await statusOf(bobs, link), 403)
  assert.equal((await whoami()).link, link)

  await person.connect(await openBrowser(), link, demo)
  assert.ok((await whoami()).connected)
})

withDemo('lets whoever is at the browser change', async () => {
  const { link } = await whoami()
  const page = await openBrowser()
  await page.goto(link)
  await person.signIn(page, demo.bob)
  await page.getByRole('button', { name: 'Sign in as someone else' }).click()
  await person.signIn(page, demo.alice)
  await page.getByRole('button', { name: 'Not you?' }).click()
  await person.signIn(page, demo.alice)
  await person.proceed(page)
  await heading(page, /log in/i)
})

withDemo('takes a cancelled request for an answer', async () => {
  const { link } = await whoami()
  const page = await openBrowser()
  await page.goto(link)
  await person.signIn(page, demo.alice)
  await person.cancel(page)
  await heading(page, NOT_CONNECTED)
  await look(page, 'cancelled')
  const again = await whoami()
  assert.ok(again.link && again.link !== link, 'the next call offers a new link')
})

withDemo('takes a denial at the provider for an answer', async () => {
  const { link } = await whoami()
  const page = await openBrowser()
  await page.goto(link)
  await person.signIn(page, demo.alice)
  await person.proceed(page)
  await person.signIn(page, demo.acme)
  await person.deny(page)
  await heading(page, NOT_CONNECTED)
  await look(page, 'denied')
  const again = await whoami()
  assert.ok(again.link && again.link !== link, 'the next call offers a new link')
})

withDemo('takes the answer of the provider once', async () => {
  const { link } = await whoami()
  const page = await openBrowser()
  const answer = page.waitForRequest(/\/oauth2\/intermediate_callback\//)
  await person.connect(page, link, demo)

  const callback = (await answer).url()
  assert.ok((await statusOf(page, callback)) >= 400)
  await heading(page, /only once/)
  await look(page, 'answer-used')
  assert.ok((await whoami()).connected)
})

withDemo('refuses the answer of the provider in another browser', async () => {
  const { link } = await whoami()
  const alices = await openBrowser()
  await alices.goto(link)
  await person.signIn(alices, demo.alice)
  await person.proceed(alices)
  await person.signIn(alices, demo.acme)
  await heading(alices, /asks for/i)
  // The redirect that carries the answer is taken out of alice's browser, and opened in another.
  const answer = Promise.withResolvers()
  await alices.route(`${demo.acme_url}/**`, async (route) => {
    const response = await route.fetch({ maxRedirects: 0 })
    answer.resolve(response.headers().location)
    await route.fulfill({ body: 'taken' })
  })
  await person.allow(alices)
  const callback = await within(answer.promise, 'the answer of the provider')

  const strangers = await openBrowser()
  assert.ok((await statusOf(strangers, callback)) >= 400)
  await look(strangers, 'answer-elsewhere')
  assert.ok(!(await whoami()).connected)
})

withDemo('slows down whoever tries passwords', async () => {
  const { link } = await whoami()
  const page = await openBrowser()
  await page.goto(link)
  const alert = page.getByRole('alert')
  for (let tries = 0; tries < 30; tries++) {
    await person.signIn(page, { name: demo.alice.name, password: `guess ${tries}` })
    await alert.waitFor()
    if (/too many/i.test(await alert.innerText())) break
  }
  assert.match(await alert.innerText(), /too many attempts/i)
  await look(page, 'sign-in-too-many')
})

withDemo('says so when a link is unknown, and when a page is', async () => {
  const page = await openBrowser()
  assert.equal(await statusOf(page, `${demo.public_url}/connect/${'a'.repeat(22)}`), 404)
  await heading(page, /do not know this link/)
  await look(page, 'unknown-link')
  assert.equal(await statusOf(page, `${demo.public_url}/no-such-page`), 404)
  await look(page, 'not-found')
})

withDemo('shows who is signed in, and signs them out', async () => {
  const page = await openBrowser()
  await page.goto(demo.public_url)
  await heading(page, 'You are not signed in')
  await look(page, 'home')
  await page.getByRole('link', { name: /sign in/i }).click()
  await person.signIn(page, demo.alice)
  await heading(page, 'You are signed in')
  await look(page, 'home-signed-in')
  await page.getByRole('button', { name: /sign out/i }).click()
  await heading(page, 'You are signed out')
  await look(page, 'signed-out')
  await page.goto(demo.public_url)
  await heading(page, 'You are not signed in')
})

describe('what goes wrong at a provider has a page of its own', () => {
  // The provider's behaviour, and what the page makes of it.
  const failures = { errs: /could not connect you/, 'falls-over': /does not answer/, disowns: /not set up right/ }
  let gateway
  before(async () => {
    gateway = await startAround(Object.keys(failures))
  })
  after(() => gateway?.stop())

  for (const [name, words] of Object.entries(failures)) {
    it(name, async () => {
      await openSession(gateway)
      const link = linkOf(await session.call(`${name}_test_simple_text`))
      const page = await openBrowser([gateway.public_url, provider.origin])
      await page.goto(link)
      await person.signIn(page, gateway.alice)
      await person.proceed(page)
      await heading(page, words)
      await page.getByText(/^Reference [0-9a-f-]+$/).waitFor()
      await look(page, `provider-${name}`)
    })
  }
})

it('says so when a link has expired', async () => {
  await sleep(old.since + LIFETIME_MS + 1000 - Date.now())
  const page = await openBrowser([old.gateway.public_url])
  assert.equal(await statusOf(page, old.link), 410)
  await heading(page, /expired/)
  await look(page, 'expired')
  await openSession(old.gateway)
  assert.notEqual(linkOf(await session.call('works_test_simple_text')), old.link)
})
