// Connecting accounts for an application that vouches for its own users, as its people meet it. Pictures are in out/screens.

import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'
import { CONNECTED, heading, it, person, startBrowser } from './lib.mjs'
import { startPlanner, user } from './own_app.mjs'
import { browsersOf, look } from './pages.mjs'

let browser
let browsers
let planner
before(async () => {
  browser = await startBrowser()
  browsers = browsersOf(browser)
})
afterEach(async () => {
  const wrong = await browsers.close()
  await planner?.stop()
  planner = undefined
  assert.deepEqual(wrong, [])
})
after(async () => {
  await browser?.close()
})

/** A browser in which `name` is signed in at Planner. */
async function at(name) {
  const page = await browsers.open([planner.public_url, planner.app, planner.notes.url])
  await page.goto(planner.app)
  await person.signIn(page, user(name))
  await heading(page, 'Planner')
  return page
}

const press = (page, name) => page.getByRole('button', { name }).click()

/** Says yes at Notes, with this account. */
async function allow(page, account) {
  await heading(page, 'Notes')
  await page.getByLabel(account).check()
  await press(page, 'Allow')
}

async function shown(page) {
  await press(page, 'Show my notes')
  await heading(page, 'Your notes')
  const texts = await page.locator('pre').allInnerTexts()
  await press(page, 'Back to Planner')
  return texts
}

it('connects an account after the application has said who is there', async () => {
  planner = await startPlanner()
  const page = await at('ada')
  const [before] = await shown(page)
  assert.match(before, /\/connect\//, 'a link')

  await press(page, 'Connect my notes')
  await heading(page, /Planner.*Notes/)
  await look(page, 'app-consent')
  const facts = await page.getByRole('main').innerText()
  assert.match(facts, /read your notes/i)
  assert.doesNotMatch(facts, /\bada\b/, 'it cannot know who is there')
  await person.proceed(page)
  await allow(page, 'Ada (private)')
  await heading(page, 'Planner')

  const [mine, second] = await shown(page)
  assert.match(mine, /Buy a new loom/)
  assert.match(second, /\/connect\//, 'no second account yet')
})

it('keeps a second account under its label, by a link with a state of its own', async () => {
  planner = await startPlanner()
  const page = await at('ada')
  for (const [button, account] of [
    ['Connect my notes', 'Ada (private)'],
    ['Connect a second account', 'Ada (work)'],
  ]) {
    await press(page, button)
    await person.proceed(page)
    await allow(page, account)
    await heading(page, 'Planner')
  }
  const [mine, second] = await shown(page)
  assert.match(mine, /Buy a new loom/)
  assert.match(second, /Write the note G/)
})

it('attaches nothing to anybody when somebody else finishes what was begun', async () => {
  planner = await startPlanner()
  const adas = await at('ada')
  await press(adas, 'Connect my notes')
  await heading(adas, /Planner.*Notes/)
  const link = adas.url()

  const graces = await at('grace')
  await graces.goto(link)
  await person.proceed(graces)
  await allow(graces, 'Grace')
  await heading(graces, 'Connect your notes?')
  await press(graces, 'Yes, connect them')
  await heading(graces, 'Not connected')
  assert.match(await graces.getByRole('alert').innerText(), /somebody else/)
  assert.deepEqual(planner.notes.grants(), [], 'the code was never changed for tokens')

  for (const page of [adas, graces]) {
    await page.goto(planner.app)
    assert.match((await shown(page))[0], /\/connect\//)
  }
})

it('asks whoever did not set out from the application', async () => {
  planner = await startPlanner()
  const page = await at('ada')
  await press(page, 'Show my notes')
  const link = /https?:\S+\/connect\/\S+/.exec(await page.locator('pre').first().innerText())[0]
  await page.goto(link)
  await person.proceed(page)
  await allow(page, 'Ada (private)')
  await heading(page, 'Connect your notes?')
  await press(page, 'Yes, connect them')
  await heading(page, CONNECTED)
  await page.goto(planner.app)
  assert.match((await shown(page))[0], /Buy a new loom/)
})
