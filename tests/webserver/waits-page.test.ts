import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillStore, LIVE_RUN, NOW, runIdOf } from './sample-store.js'
import { SampleWeb } from './sample-web.js'

const web = new SampleWeb()
const RUN = runIdOf(LIVE_RUN)
let operator = ''

beforeAll(async () => {
  await web.open()
  await fillStore(web.store, web.database)
  await web.start()
  operator = await web.login('operator')
})
afterAll(() => web.close())

describe('the page of a task that waits', () => {
  it('asks for a decision, of those who may give one, and tells the page Now', async () => {
    const wait = {
      ...{ on: 'approval', kind: 'approval', message: '<b>Publish</b> 5 rows?' },
      ...{ role: 'operator', users: [], onReject: 'fail' },
    }
    const waits = (value: object | null) =>
      web.database.query(`update task_runs set waits_for = $1::jsonb where run_id = $2 and task_id = 'fx_rates'`, [
        value === null ? null : JSON.stringify(value),
        RUN,
      ])
    const page = `/runs/${RUN}/tasks/fx_rates`
    await waits(wait)
    const html = await web.page(page, operator)
    expect(html).toContain('&lt;b&gt;Publish&lt;/b&gt; 5 rows?')
    expect(html).toContain(`action="${page}/approval"`)
    expect(await web.page('/', operator)).toContain(`href="${page}#approval"`)
    const viewer = await web.login('viewer')
    expect(await web.page(page, viewer)).not.toContain('value="approve"')
    expect((await web.post(`${page}/approval`, viewer, { decision: 'approve' })).status).toBe(403)
    expect((await web.send(`${page}/approval`, operator, { decision: 'approve' })).status).toBe(403)
    expect((await web.post(`${page}/approval`, operator, { decision: 'maybe' }, page)).status).toBe(400)
    const sent = await web.post(`${page}/approval`, operator, { decision: 'approve', comment: ' fine ' }, page)
    expect([sent.status, sent.headers.get('location')]).toEqual([303, page])
    expect(web.calls.at(-1)).toEqual([
      'approve',
      ...[RUN, 'fx_rates', { approved: true, comment: 'fine' }, { user: 'a_operator', role: 'operator' }],
    ])
    for (const narrower of [{ role: 'admin' }, { users: ['alice', 'bob'] }]) {
      await waits({ ...wait, ...narrower })
      const refused = await web.page(page, operator)
      expect(refused).not.toContain('value="approve"')
      expect(refused).toContain('role' in narrower ? 'of an admin' : 'of alice, bob')
    }
    expect(html).toContain('of an operator')
    await waits(null)
    expect(await web.page('/', operator)).not.toContain('Waits for a person')
  })

  it('says what a look has seen, and when the next one is', async () => {
    const wait = {
      ...{ on: 'look:k', kind: 'look', key: 'k', operator: 'wait_for', condition: {}, folder: '', everyMs: 60_000 },
      ...{ table: 'silver.fx', seen: {} },
    }
    await web.database.query(`update task_runs set waits_for = $1::jsonb where run_id = $2 and task_id = 'fx_rates'`, [
      JSON.stringify(wait),
      RUN,
    ])
    await web.database.query(
      `insert into looks (key, queue, condition, table_name, every_ms, seen, detail, next_look_at, looked_at)
       values ('k', 'default', '{}', 'silver.fx', 60000, '{}', 'there is no table silver.fx yet', $1, $2)`,
      [new Date(NOW + 42_000), new Date(NOW - 18_000)],
    )
    const html = await web.page(`/runs/${RUN}/tasks/fx_rates`, operator)
    expect(html).toMatch(/<dt>Next look<\/dt><dd>[^<]*05:41:54Z/)
    expect(html).toContain('there is no table silver.fx yet')
    expect(html).toContain('href="/tables/silver.fx"')
    await web.database.query(`update task_runs set waits_for = null where run_id = $1`, [RUN])
  })
})
