// Signing in with a company account, and letting a client in, as a person meets them. Pictures are in out/screens.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SIGNING_IN, startProgram } from './clients/oauth.mjs'
import { startFixture } from './fixture/serve.mjs'
import { BACK, CONSENT, LOGIN, at, employee, leaving, startCompany } from './idp.mjs'
import { heading, it, startBrowser } from './lib.mjs'
import { browsersOf, look, statusOf } from './pages.mjs'

let browser
let browsers
let fixture
let company
let program
before(async () => {
  browser = await startBrowser()
  browsers = browsersOf(browser)
  fixture = await startFixture()
  company = await startCompany({ tools: fixture.url, idp: { claimsInIdToken: true } })
})
afterEach(async () => {
  const wrong = await browsers.close()
  await program?.close()
  program = undefined
  assert.deepEqual(wrong, [])
})
after(async () => {
  await company?.stop()
  await fixture?.close()
  await browser?.close()
})

const alice = employee('alice')
const bob = employee('bob')
const carol = employee('carol')

const openBrowser = (at = company) => browsers.open([at.public_url, at.issuer])

/** A program that wants to be let in; `walk(page, link)` is what the person does, up to the page that tells them to go back. */
async function letIn(walk, { name = 'Claude Code', page, client = SIGNING_IN[0] } = {}) {
  page ??= await openBrowser()
  program = await startProgram(client, {
    url: company.mcp_url,
    name,
    browse: async (link) => {
      // The program listens at a port of its own.
      page.known.push(new URL(new URL(link).searchParams.get('redirect_uri')).host)
      await walk(page, link)
    },
  })
  return program.connect()
}

const back = (page) => page.getByText(BACK).waitFor()

it('asks before anything else, then for the company account, and leads back to the program', async () => {
  await letIn(async (page, link) => {
    assert.equal(await statusOf(page, link), 200)
    await heading(page, CONSENT)
    const facts = await page.getByRole('main').innerText()
    for (const fact of [/Claude Code/, /127\.0\.0\.1/, /sign in with The Company/, /nobody has checked/i]) assert.match(facts, fact)
    assert.match(facts, /any program on this computer/i)
    await look(page, 'authorize')
    await at.consent(page)
    await heading(page, LOGIN)
    await look(page, 'company-login')
    await at.login(page, alice)
    await back(page)
  })
  await program.call('everything_test_simple_text')
})

it('asks whoever is signed in, by name, and lets them change', async () => {
  const page = await openBrowser()
  await signInAtHome(page, alice)
  await letIn(
    async (page, link) => {
      await page.goto(link)
      await page.getByText('Alice Liddell').waitFor()
      await look(page, 'authorize-signed-in')
      await leaving(page, () => page.getByRole('button', { name: 'Not you?' }).click())
      assert.equal(await page.getByText('Alice Liddell').count(), 0)
      await at.consent(page)
      await at.login(page, bob)
      await back(page)
    },
    { page, name: 'Cursor' },
  )
  await page.goto(company.public_url)
  await page.getByText('Bob Baumeister').waitFor()
})

it('asks once for each client, and remembers', async () => {
  const page = await openBrowser()
  const links = []
  await letIn(
    async (page, link) => {
      links.push(link)
      await page.goto(link)
      await at.consent(page)
      await at.login(page, alice)
      await back(page)
    },
    { page, name: 'VS Code' },
  )
  // The same request again: neither the client nor the person is new.
  await page.goto(links[0])
  await back(page)
})

it('tells the program when the person says no', async () => {
  const refused = await letIn(async (page, link) => {
    await page.goto(link)
    await heading(page, CONSENT)
    await leaving(page, () => page.getByRole('button', { name: 'Cancel' }).click())
    await back(page)
    assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied')
  }).catch((error) => error)
  assert.match(String(refused), /access_denied/)
})

it('has nothing for somebody whom the gateway is not for', async () => {
  const page = await openBrowser()
  await letIn(
    async (page, link) => {
      await page.goto(link)
      await at.consent(page)
      await at.login(page, carol)
      await heading(page, "You may not use The Company's tools")
      await look(page, 'authorize-not-allowed')
      await leaving(page, () => page.getByRole('button', { name: 'Sign in as someone else' }).click())
      await at.consent(page)
      await at.login(page, alice)
      await back(page)
    },
    { page },
  )
})

it('shows a page, and sends nobody anywhere, when a request is not a client\'s own', async () => {
  await letIn(async (page, link) => {
    const changed = (name, value) => {
      const url = new URL(link)
      url.searchParams.set(name, value)
      return url.href
    }
    assert.equal(await statusOf(page, changed('client_id', 'dcr_unknown')), 400)
    await look(page, 'authorize-unknown-client')
    assert.equal(await statusOf(page, changed('redirect_uri', 'https://evil.example/callback')), 400)
    await look(page, 'authorize-other-redirect')
    assert.ok(page.url().startsWith(company.public_url))

    await page.goto(link)
    await at.consent(page)
    await at.login(page, alice)
    await back(page)
  })
})

describe('at the address of the gateway', () => {
  it('people sign in with their company account, and sign out there as well', async () => {
    const page = await openBrowser()
    await signInAtHome(page, alice)
    await page.getByText('Alice Liddell').waitFor()
    await look(page, 'company-home')

    await page.getByRole('button', { name: /sign out/i }).click()
    await heading(page, /sign out of the company/i)
    await look(page, 'company-sign-out')
    await leaving(page, () => page.getByRole('button', { name: 'Sign out' }).click())
    await heading(page, 'You are signed out')
    assert.equal(new URL(page.url()).pathname, '/signed-out')
    await signInAtHome(page, bob)
    await page.getByText('Bob Baumeister').waitFor()
  })

  it('they are signed in again without a word while the company knows them', async () => {
    const page = await openBrowser()
    await signInAtHome(page, alice)
    await page.context().clearCookies({ domain: 'localhost' })
    await page.goto(company.public_url)
    await page.getByRole('link', { name: /sign in/i }).click()
    await heading(page, 'You are signed in')
  })

  it('they may say no there', async () => {
    const page = await openBrowser()
    await page.goto(company.public_url)
    await page.getByRole('link', { name: /sign in/i }).click()
    await heading(page, LOGIN)
    await page.getByRole('button', { name: 'Cancel' }).click()
    await heading(page, 'You were not signed in')
    await look(page, 'company-declined')
  })

  it('they are known by new keys of the company, too', async () => {
    company.idp.rotateKeys()
    await signInAtHome(await openBrowser(), alice)
  })

  it('an answer of the company is taken once, and in the browser that asked', async () => {
    const page = await openBrowser()
    const answer = page.waitForRequest(/\/oauth2\/intermediate_callback\?/)
    await signInAtHome(page, alice)
    const callback = (await answer).url()
    for (const at of [page, await openBrowser()]) {
      assert.equal(await statusOf(at, callback), 410)
      await heading(at, 'This sign-in cannot be finished')
    }
    await look(page, 'company-answer-used')
  })
})

/** From the home page, through the company's login, and back. */
async function signInAtHome(page, who, { public_url } = company) {
  await page.goto(public_url)
  await page.getByRole('link', { name: /sign in/i }).click()
  await at.login(page, who)
  await heading(page, 'You are signed in')
}

describe('what is not set up right has a page that says what to do', () => {
  // What is wrong in the file, what the page makes of it, and what it names.
  const WRONG = {
    secret: [['client_secret = "make-believe"', 'client_secret = "wrong"'], /not set up right/, /client_secret/],
    claim: [['scopes =', 'subject_claim = "employee_number"\nscopes ='], /not set up right/, /employee_number/],
    issuer: [[/issuer = "(.*)"/, 'issuer = "$1/"'], /not set up right/, /issuer/],
  }
  for (const [name, [[right, wrong], words, named]] of Object.entries(WRONG)) {
    it(name, async () => {
      const other = await startCompany({ tools: fixture.url, change: (toml) => replaced(toml, right, wrong) })
      try {
        const page = await openBrowser(other)
        await page.goto(other.public_url)
        await page.getByRole('link', { name: /sign in/i }).click()
        if (name !== 'issuer') await at.login(page, alice)
        await heading(page, words)
        const text = await page.getByRole('main').innerText()
        assert.match(text, named)
        const reference = await page.getByText(/^Reference [0-9a-f-]+$/).innerText()
        assert.ok(other.output().includes(reference.split(/\s/)[1]), `the log does not have ${reference}`)
        assert.doesNotMatch(text + other.output(), /make-believe|"wrong"/)
        await look(page, `company-wrong-${name}`)

        // Put right while it runs.
        other.write((toml) => toml)
        for (let tries = 0; ; tries++) {
          await page.goto(`${other.public_url}/sign-in/company`)
          const login = page.getByRole('heading', { level: 1, name: LOGIN })
          if (await login.isVisible()) await at.login(page, alice)
          if (await page.getByRole('heading', { level: 1, name: 'You are signed in' }).isVisible()) break
          assert.ok(tries < 50, await page.getByRole('main').innerText())
          await sleep(200)
        }
      } finally {
        await other.stop()
      }
    })
  }

  it('a provider that does not answer', async () => {
    const other = await startCompany({ tools: fixture.url })
    try {
      await other.idp.close()
      const page = await openBrowser(other)
      const began = Date.now()
      const status = await statusOf(page, `${other.public_url}/sign-in/company`)
      assert.ok([502, 503].includes(status), `${status}`)
      assert.ok(Date.now() - began < 15_000)
      await heading(page, /does not answer/)
      await look(page, 'company-silent')
    } finally {
      await other.stop()
    }
  })
})

function replaced(toml, from, to) {
  const changed = toml.replace(from, to)
  assert.notEqual(changed, toml)
  return changed
}
