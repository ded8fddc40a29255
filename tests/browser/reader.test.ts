import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { RUN } from '../webserver/sample-pages.js'
import type { Visitor } from './browser.js'
import { SampleVisits } from './sample-visits.js'

const visits = new SampleVisits()
const { web } = visits
let visitor: Visitor

beforeAll(() => visits.open())
afterAll(() => visits.close())
beforeEach(async () => {
  visitor = await visits.visitor()
  return () => visitor.close()
})

const address = () => new URL(visitor.page.url()).pathname

describe('keys', () => {
  it.each([
    ['n', '/'],
    ['d', '/dags'],
    ['r', '/runs'],
    ['t', '/tables'],
  ])('g %s opens %s', async (key, path) => {
    await visitor.go('/alerts')
    await visitor.page.keyboard.press('g')
    await visitor.page.keyboard.press(key)
    await visitor.page.waitForURL(({ pathname }) => pathname === path)
  })

  it('/ goes to the search, where letters are letters', async () => {
    await visitor.go('/dags')
    await visitor.page.keyboard.press('/')
    await visitor.page.keyboard.type('gd')
    expect(await visitor.page.locator('[data-search]').inputValue()).toBe('gd')
    expect(address()).toBe('/dags')
  })

  it('j and k go from row to row, Enter opens one', async () => {
    await visitor.go('/dags')
    const rows = visitor.page.locator('[data-row]')
    const focused = () =>
      rows.evaluateAll((all) => all.findIndex((row) => row.contains(row.ownerDocument.activeElement)))
    const seen: number[] = []
    for (const key of ['j', 'j', 'k', 'k']) {
      await visitor.page.keyboard.press(key)
      seen.push(await focused())
    }
    expect(seen).toEqual([0, 1, 0, 0])
    const href = await rows.first().locator('a').first().getAttribute('href')
    await visitor.page.keyboard.press('Enter')
    await visitor.page.waitForURL(({ pathname }) => pathname === href)
  })

  it('[ opens the run before', async () => {
    await visitor.go(`/runs/${RUN}`)
    const href = await visitor.page.locator('[data-key="["]').getAttribute('href')
    await visitor.page.keyboard.press('[')
    await visitor.page.waitForURL(({ pathname }) => pathname === href)
  })

  it('are all named at the foot of the page, and those named are there', async () => {
    await visitor.go(`/runs/${RUN}`)
    const named = await visitor.page.locator('footer.keys kbd').allInnerTexts()
    const bound = await visitor.page
      .locator('[data-key]')
      .evaluateAll((all) => all.map((one) => one.getAttribute('data-key') ?? ''))
    expect(named).toEqual(expect.arrayContaining(bound))
  })
})

describe('the theme', () => {
  it('is kept for the next page, which the server sends in it', async () => {
    await visitor.go('/')
    const theme = () => visitor.page.locator('html').getAttribute('data-theme')
    expect(await theme()).toBeNull()
    await visitor.page.locator('[data-theme-switch]').click()
    expect(await theme()).toBe('dark')
    await visitor.go('/runs')
    expect(await theme()).toBe('dark')
    expect(await visitor.page.content()).toMatch(/<html lang="en" data-theme="dark">/)
  })
})

describe('forms', () => {
  it('rolling back waits until the name of the table is typed', async () => {
    await visitor.go('/tables/silver.orders?to=409')
    const button = visitor.page.locator('[data-confirmed]')
    expect(await button.isDisabled()).toBe(true)
    await visitor.page.locator('[data-confirm]').fill('silver.order')
    expect(await button.isDisabled()).toBe(true)
    await visitor.page.locator('[data-confirm]').fill('silver.orders')
    expect(await button.isEnabled()).toBe(true)
  })

  it('the switch of a DAG sends itself', async () => {
    await visitor.go('/dags/orders_daily')
    const before = web.calls.length
    await visitor.page.locator('main form label.switch').first().click()
    await visitor.page.waitForLoadState('load')
    await expect.poll(() => web.calls.slice(before).map(([name]) => name), { timeout: 20_000 }).toContain('pause')
  })

  it('Ctrl-Enter triggers a run as the button does; what is missing is said beside its field', async () => {
    await visitor.go('/dags/orders_daily/trigger')
    const before = web.calls.length
    await visitor.page.keyboard.press('Control+Enter')
    await visitor.page.locator('.err').getByText('from_date').waitFor()
    expect(web.calls).toHaveLength(before)
    await visitor.page.getByLabel('from_date').fill('2026-11-19')
    await visitor.page.keyboard.press('Control+Enter')
    await expect.poll(() => web.calls[before]?.slice(0, 2), { timeout: 20_000 }).toEqual(['trigger', 'orders_daily'])
  })
})
