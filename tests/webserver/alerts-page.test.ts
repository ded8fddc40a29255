import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, TEAM } from '../scheduler/store/suite/alerts.js'
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

const alerts = () => web.store.listAlerts({ dagId: null, acknowledged: null, before: null, limit: 9 })

describe('the page of alerts', () => {
  it('shows what people were told of, what was given up, and text as text', async () => {
    const html = await web.page('/alerts', viewer)
    expect(html).toContain('1 message was given up')
    expect(html).toContain('550 no such user')
    expect(html).toContain('gone@example.com')
    expect(html).toContain('webhook chat')
    expect(html).toContain('no such column: &lt;b&gt;wind&lt;/b&gt;')
    expect(html).not.toContain('<form method="post" action="/alerts')
  })

  it('takes note of an alert, so that it is no longer open', async () => {
    const [newest] = await alerts()
    const answer = await web.post(`/alerts/${newest?.id}/acknowledge`, operator, {}, '/alerts')
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/alerts'])
    expect((await alerts())[0]).toMatchObject({ acknowledgedBy: 'a_operator', deliveries: [{ state: 'acknowledged' }] })
    expect(await web.page('/alerts', operator)).not.toContain('returns_daily.yaml')
    expect(await web.page('/alerts?which=all', operator)).toContain('seen by a_operator')
    expect((await web.post(`/alerts/${newest?.id}/acknowledge`, viewer, {}, '/alerts')).status).toBe(403)
  })

  it('takes note of all that a message carried, for the day after a storm', async () => {
    const storm = Array.from({ length: 40 }, (_, index) => failure(`storm ${index}`))
    await web.store.raiseAlerts(storm, NOW)
    await web.store.makeMessages(TEAM, NOW)
    const [message] = await web.store.claimMessages({ now: NOW, leaseMs: 1_000, limit: 1 })
    if (message === undefined) throw new Error('no message')
    await web.store.settleMessage(message, { state: 'sent', refused: null, problem: '' }, NOW)
    const path = `/alerts/messages/${message.id}/acknowledge`
    expect(await web.page('/alerts', viewer)).not.toContain(path)
    expect(await web.page('/alerts', operator)).toContain(`action="${path}"`)
    expect((await web.post(path, operator, {}, '/alerts')).status).toBe(303)
    expect((await alerts()).map(({ acknowledgedBy }) => acknowledgedBy)).toEqual(Array(9).fill('a_operator'))
    expect((await web.post(path, operator, {}, '/alerts')).status).toBe(303)
  })

  it('says what tells one alert from the next of its kind', async () => {
    const [deadline, minute] = [new Date(NOW - 600_000), 60_000]
    const problems = ['x.yaml:2:1: <b>indentation</b>', 'x.yaml:3:1: other']
    await web.store.raiseAlerts(
      [
        failure('file', { kind: 'file_broken', dagId: null, runId: null, payload: { problems } }),
        failure('late', { kind: 'sla_missed', payload: { deadline: deadline.toISOString() } }),
      ],
      NOW,
    )
    const html = await web.page('/alerts', viewer)
    expect(html).toContain('x.yaml:2:1: &lt;b&gt;indentation&lt;/b&gt;, and 1 more')
    expect(html).toContain(`due by ${deadline.toISOString().slice(11, 19)}Z, told 10 m late`)
    await web.store.acknowledgeAlerts({ alertIds: (await alerts()).map(({ id }) => id) }, 'a_operator', NOW + minute)
  })

  it('sends again what was given up', async () => {
    expect((await web.post('/alerts/messages/2/retry', operator, {}, '/alerts')).status).toBe(303)
    expect(await web.store.listMessages({ state: 'dead', before: null, limit: 9 })).toEqual([])
    expect((await web.post('/alerts/messages/2/retry', operator, {}, '/alerts')).status).toBe(409)
    expect((await web.post('/alerts/messages/99/retry', operator, {}, '/alerts')).status).toBe(404)
  })

  it('mutes a DAG or one of its tasks for a while, and ends that', async () => {
    const mute = (of: string, length: string) => web.post('/alerts/mutes', operator, { of, for: length }, '/alerts')
    expect((await mute('orders_daily.silver_orders', '2h')).status).toBe(303)
    const [muted] = await web.store.mutes(NOW)
    expect(muted).toMatchObject({ dagId: 'orders_daily', taskId: 'silver_orders', until: NOW + 7_200_000 })
    expect(await web.page('/alerts', operator)).toContain('orders_daily.silver_orders')
    expect((await mute('orders_daily', 'soon')).status).toBe(422)
    expect((await mute('orders_daily', '400d')).status).toBe(422)
    expect((await mute('nobody', '2h')).status).toBe(404)
    expect((await mute('orders_daily.nothing', '2h')).status).toBe(404)
    expect((await web.post(`/alerts/mutes/${muted?.id}/end`, operator, {}, '/alerts')).status).toBe(303)
    expect(await web.store.mutes(NOW)).toEqual([])
  })

  it('leaves an audit row for each of these', async () => {
    const rows = await web.database.query("select action, user_name from audit where action <> 'trigger' order by id")
    const actions = rows.filter(({ user_name: user }) => user === 'a_operator').map(({ action }) => action)
    for (const action of ['acknowledge', 'retry message', 'mute', 'unmute']) expect(actions).toContain(action)
  })
})
