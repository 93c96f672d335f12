// A user's own page: connecting, naming and disconnecting accounts, and shutting an application out, as a person meets it.
//
// Pictures of every kind of page (light, dark, phone) end up in out/screens.

import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'
import { CONNECTED, heading, it, person, startBrowser, startDemo } from './lib.mjs'
import { browsersOf, look, statusOf } from './pages.mjs'

let browser
let demo
let browsers

before(async () => {
  browser = await startBrowser()
  browsers = browsersOf(browser)
})
after(() => browser?.close())

const withDemo = (title, play) =>
  it(title, async () => {
    demo = await startDemo()
    await play()
  })
afterEach(async () => {
  const wrong = await browsers.close()
  await demo?.stop()
  demo = undefined
  assert.deepEqual(wrong, [])
})

const connections = () => `${demo.public_url}/connections`

/** A browser at which alice is signed in, on her page. */
async function alicesPage() {
  const page = await browsers.open([demo.public_url, demo.acme_url])
  await page.goto(connections())
  await person.signIn(page, demo.alice)
  await heading(page, 'Your connections')
  return page
}

/** From the page through the provider to the done page, and back. */
async function connectBy(page, button) {
  await page.getByRole('button', { name: button }).click()
  await person.proceed(page)
  if (await page.getByLabel(/password/i).count()) await person.signIn(page, demo.acme)
  await person.allow(page)
  await heading(page, CONNECTED)
}

withDemo('an account is connected, named and disconnected', async () => {
  const page = await alicesPage()
  await page.getByText('No account is connected yet').waitFor()
  await look(page, 'connections-none')

  await page.getByRole('button', { name: /^Connect / }).click()
  await page.getByRole('heading', { level: 1 }).waitFor()
  await look(page, 'connections-consent')
  await person.proceed(page)
  await person.signIn(page, demo.acme)
  await person.allow(page)
  await heading(page, CONNECTED)
  await look(page, 'connections-done')

  await page.getByRole('link', { name: /your connections/i }).click()
  await heading(page, 'Your connections')
  await page.getByText('Last used').waitFor()
  await look(page, 'connections-one')

  // Everything can be reached and pressed without a mouse.
  const naming = page.locator('summary')
  await naming.focus()
  await page.keyboard.press('Enter')
  await page.getByLabel('Your name for this account').fill('Work')
  await look(page, 'connections-naming')
  await page.keyboard.press('Enter')
  await page.getByRole('status').getByText('The name is saved').waitFor()
  await page.getByText('Work', { exact: true }).waitFor()

  await page.getByRole('link', { name: /^Disconnect / }).click()
  await heading(page, /^Disconnect .*\?$/)
  await look(page, 'disconnect')
  await page.getByRole('link', { name: 'Keep it' }).click()
  await page.getByRole('link', { name: /^Disconnect / }).click()
  await page.getByRole('button', { name: 'Disconnect' }).click()
  await page.getByRole('status').getByText(/is disconnected/).waitFor()
  await look(page, 'connections-disconnected')
  await page.getByText('No account is connected yet').waitFor()
})

withDemo('going back and pressing again says that it is done', async () => {
  const page = await alicesPage()
  await connectBy(page, /^Connect /)
  await page.goto(connections())
  await page.getByRole('link', { name: /^Disconnect / }).click()
  await page.getByRole('button', { name: 'Disconnect' }).click()
  await page.getByRole('status').waitFor()
  await page.goBack()
  const disconnect = page.getByRole('button', { name: 'Disconnect' })
  if (await disconnect.count()) await disconnect.click()
  await heading(page, 'This connection is not there')
  await look(page, 'connection-gone')
  await page.getByRole('link', { name: 'Your connections' }).click()
  await heading(page, 'Your connections')
})

withDemo('somebody else sees nothing of it', async () => {
  const page = await alicesPage()
  await connectBy(page, /^Connect /)
  await page.goto(connections())
  const hers = await page.getByRole('link', { name: /^Disconnect / }).getAttribute('href')
  const bobs = await browsers.open([demo.public_url, demo.acme_url])
  await bobs.goto(connections())
  await person.signIn(bobs, demo.bob)
  await bobs.getByText('No account is connected yet').waitFor()
  assert.equal(await statusOf(bobs, `${demo.public_url}${hers}`), 404)
  await heading(bobs, 'This connection is not there')
})
