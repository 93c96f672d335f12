// A service whose users have keys: typed on our page by the person, and seen by nobody else. Pictures are in out/screens.

import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'
import { DIALECTS } from './clients/dialects.mjs'
import { CONNECTED, heading, it, linkOf, person, startBrowser, startGateway, textOf } from './lib.mjs'
import { browsersOf, look } from './pages.mjs'
import { startWeather } from './weather.mjs'

const [KEY, NEW_KEY] = ['wx-alices-key', 'wx-alices-new-key']

let browser
let browsers
let weather
let gateway
let session
before(async () => {
  browser = await startBrowser()
  browsers = browsersOf(browser)
  weather = await startWeather()
  gateway = await startGateway({
    upstreams: { weather: { url: weather.mcp, providers: ['weather'], scopes: '[]' } },
    providers: {
      weather: {
        toml: `type = "api_key"
title = "Weather"
hint = "Sign in there, then Profile > API keys."
[providers.weather.probe]
url = "${weather.base}/account"
auth = "none"
headers = { x-api-key = "{{token}}" }
id = "$.id"
name = "$.name"`,
      },
    },
  })
  session = await DIALECTS[1].open({ url: gateway.mcp_url, key: gateway.api_key, user: 'alice' })
})
afterEach(async () => {
  assert.deepEqual(await browsers.close(), [])
})
after(async () => {
  await session?.close()
  await gateway?.stop()
  await weather?.close()
  await browser?.close()
})

const forecast = () => session.call('weather_forecast')

/** Alice at the page that a call of hers led to. */
async function alicesPage(result) {
  const page = await browsers.open([gateway.public_url])
  await page.goto(linkOf(result))
  await person.signIn(page, gateway.alice)
  await heading(page, /Weather/)
  return page
}

const give = async (page, key) => {
  await page.getByLabel(/your weather/i).fill(key)
  await page.getByRole('button', { name: 'Connect Weather' }).click()
}

it('takes a key on the page, tries it, and lets the tools use it', async () => {
  const page = await alicesPage(await forecast())
  await look(page, 'key')
  await give(page, 'not-her-key')
  await page.getByRole('alert').filter({ hasText: /does not accept/ }).waitFor()
  assert.doesNotMatch(await page.content(), /not-her-key/, 'what was typed is not shown again')
  await look(page, 'key-wrong')

  await give(page, KEY)
  await heading(page, CONNECTED)
  assert.doesNotMatch(page.url(), new RegExp(KEY))
  assert.match(textOf(await forecast()), /Sunny, Alice at Weather/)

  await page.goto(`${gateway.public_url}/connections`)
  await page.getByText('Alice at Weather').waitFor()
  await look(page, 'connections-key')
})

it('asks for another one when the service does not take it any more', async () => {
  weather.revoke(KEY)
  const page = await alicesPage(await forecast())
  await give(page, NEW_KEY)
  await heading(page, CONNECTED)
  assert.match(textOf(await forecast()), /Sunny, Alice at Weather/)
  assert.ok(weather.seen.includes(NEW_KEY))
})
