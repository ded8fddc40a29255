import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillStore, NOW } from './sample-store.js'
import { SampleWeb } from './sample-web.js'

const web = new SampleWeb()
let [operator, viewer] = ['', '']
beforeAll(async () => {
  await web.open()
  await fillStore(web.store, web.database)
  await web.start()
  operator = await web.login('operator')
  viewer = await web.login('viewer')
})
afterAll(() => web.close())

describe('the schedule of a DAG', () => {
  it('shows the next due instants with their intervals, in both times', async () => {
    const html = await web.page('/dags/orders_daily/schedule', viewer)
    for (const day of [21, 22, 23, 24, 25, 26, 27, 28, 29, 30]) expect(html).toContain(`${day} Nov 06:00`)
    expect(html).toContain('20 Nov 06:00 to 21 Nov 06:00 Paris')
    expect(html).not.toContain('1 Dec 06:00 to')
  })

  it('lists backfills with how far they are, and what may be done with them', async () => {
    const html = await web.page('/dags/orders_daily/schedule', operator)
    expect(html).toContain('intervals without a run, 1 at once')
    expect(html).toContain('aria-label="0 of 30"')
    expect(html).toContain('action="/backfills/1/pause"')
    expect(html).toContain('action="/backfills/1/cancel"')
    const seen = await web.page('/dags/orders_daily/schedule', viewer)
    expect(seen).not.toContain('/backfills/1/pause')
    expect(seen).not.toContain('id="backfill"')
  })

  it('pauses, resumes and cancels a backfill with a form', async () => {
    for (const action of ['pause', 'resume', 'cancel'] as const) {
      const response = await web.post(`/backfills/1/${action}`, operator, {}, '/dags/orders_daily/schedule')
      expect(response.headers.get('location')).toBe('/dags/orders_daily/schedule#backfills')
      expect(web.calls.at(-1)).toEqual([`${action}Backfill`, 1, { user: 'a_operator' }])
    }
    expect((await web.post('/backfills/99/pause', operator, {}, '/dags/orders_daily/schedule')).status).toBe(404)
    expect((await web.post('/backfills/1/pause', viewer, {}, '/dags/orders_daily/schedule')).status).toBe(403)
  })

  const form = { from: '2026-11-01', to: '2026-11-05 06:00', which: 'failed', reverse: '1', max_active: '' }
  const ask = (fields: object) =>
    web.post('/dags/orders_daily/backfill', operator, { ...form, ...fields }, '/dags/orders_daily/schedule')
  const request = {
    from: Date.UTC(2026, 9, 31, 23),
    to: Date.UTC(2026, 10, 5, 5),
    which: 'failed',
    reverse: true,
    maxActive: null,
  }

  it('previews a backfill, keeps the form, and then starts it', async () => {
    const previewed = await ask({ do: 'preview' })
    expect(web.calls.at(-1)).toEqual(['previewBackfill', 'orders_daily', request])
    const html = await previewed.text()
    expect(html).toContain('2026-11-05 06:00')
    expect((await ask({ do: 'start', max_active: '3' })).status).toBe(303)
    const started = ['startBackfill', 'orders_daily', { ...request, maxActive: 3 }, { user: 'a_operator' }]
    expect(web.calls.at(-1)).toEqual(started)
  })

  it.each([
    [{ from: 'yesterday' }, 'From and To are dates'],
    [{ which: 'some' }, 'The choice is one of all, missing, failed.'],
    [{ max_active: 'many' }, 'Runs at once is a whole number'],
  ])('says what is wrong with %j', async (fields, sentence) => {
    const calls = web.calls.length
    expect(await (await ask({ do: 'start', ...fields })).text()).toContain(sentence)
    expect(web.calls).toHaveLength(calls)
  })

  it('tells a paused DAG what it has missed, and resumes it without', async () => {
    web.missed = { count: 8_640, first: NOW - 1, last: NOW, makes: 8_640 }
    const html = await web.page('/dags/ledger_close/schedule', operator)
    expect(html).toContain('8,640 runs missed meanwhile. When it is resumed, all are made.')
    expect(html).toContain('Resume without them')
    const fields = { active: '1', skip_missed: '1' }
    await web.post('/dags/ledger_close/active', operator, fields, '/dags/ledger_close/schedule')
    expect(web.calls.at(-1)).toEqual(['resume', 'ledger_close', { user: 'a_operator' }, { skipMissed: true }])
    web.missed = { count: 3, first: NOW - 1, last: NOW, makes: 0 }
    const none = await web.page('/dags/ledger_close', operator)
    expect(none).toContain('3 runs missed meanwhile. When it is resumed, none of them is made up for.')
    expect(none).not.toContain('Resume without them')
  })
})
