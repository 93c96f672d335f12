// Looking at pages: what must hold on each of them, and behind it. The pictures are in out/screens.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { OUT, PAGE_MS } from './lib.mjs'

const SCREENS = path.join(OUT, 'screens')
const VIEWS = [
  { name: 'light', colorScheme: 'light', width: 1280, height: 800 },
  { name: 'dark', colorScheme: 'dark', width: 1280, height: 800 },
  { name: 'phone', colorScheme: 'light', width: 360, height: 740 },
]

/** Browsers with a person in front of each. `close()` closes them, and tells what went wrong behind the pages. */
export function browsersOf(browser) {
  let opened = []
  return {
    /**
     * A page in a browser of its own, whose pages may contact `hosts` and nobody else. No style or form may be refused.
     * `known` of the page is who it may contact; more may be added.
     */
    async open(hosts) {
      const context = await browser.newContext()
      context.setDefaultTimeout(PAGE_MS)
      const page = await context.newPage()
      const wrong = []
      const known = hosts.map((url) => new URL(url).host)
      page.on('request', (request) => {
        const url = new URL(request.url())
        if (url.protocol !== 'data:' && !known.includes(url.host)) wrong.push(`${url.host} was contacted`)
      })
      page.on('pageerror', (error) => wrong.push(String(error)))
      page.on('console', (message) => {
        // Chromium reports every error page as one; whether a page should be one is for the tests to say.
        const isStatus = /the server responded with a status of \d+/.test(message.text())
        if (message.type() === 'error' && !isStatus) wrong.push(message.text())
      })
      opened.push({ context, wrong })
      return Object.assign(page, { known })
    },
    async close() {
      for (const { context } of opened) await context.close()
      const wrong = opened.flatMap((tab) => tab.wrong)
      opened = []
      return wrong
    },
  }
}

export const statusOf = async (page, url) => (await page.goto(url)).status()

/** Looks at a page in every view, keeps the pictures, and checks what must hold on each. */
export async function look(page, name) {
  mkdirSync(SCREENS, { recursive: true })
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1, `${name}: not one heading`)
  assert.notEqual(await page.title(), '', `${name}: no title`)
  assert.equal(await page.locator('html').getAttribute('lang'), 'en', `${name}: no language`)
  for (const view of VIEWS) {
    await page.emulateMedia({ colorScheme: view.colorScheme })
    await page.setViewportSize(view)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    assert.ok(overflow <= 0, `${name}: ${overflow} px wider than a ${view.name} screen`)
    await page.screenshot({ path: path.join(SCREENS, `${name}-${view.name}.png`), fullPage: true })
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize(VIEWS[0])
}
