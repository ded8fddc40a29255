import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SMTPServerOptions } from 'smtp-server'
import { afterEach, describe, expect, it } from 'vitest'
import { createChannels } from '../../../scheduler/alerts/channels.js'
import { AlertOutbox, type OutboxPorts } from '../../../scheduler/alerts/outbox.js'
import { signature } from '../../../scheduler/alerts/webhook.js'
import { type AlertEvent, destinationsOf } from '../../../scheduler/core/alert.js'
import { Events } from '../../../scheduler/events.js'
import type { Store } from '../../../scheduler/store/store.js'
import { createMemoryStore } from '../../simulation/memory-store/index.js'
import { task } from '../core/dags.js'
import { failure, TEAM } from '../store/suite/alerts.js'
import { dagNamed, NOW, newRun, register } from '../store/suite/subject.js'
import { type ReceivedMail, startMailServer } from './mail-server.js'
import { VirtualClock } from './virtual-clock.js'

const MINUTE = 60_000
const endings: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of endings.splice(0)) await end()
})

async function mailServer(options: SMTPServerOptions = {}) {
  const server = await startMailServer({ disabledCommands: ['AUTH', 'STARTTLS'], ...options })
  endings.push(server.stop)
  return server
}

function config(port: number, more: Record<string, { type: string }> = {}) {
  return {
    project: '/',
    baseUrl: 'https://sluice.example.com',
    alerts: {
      email: { connection: 'mail', from: 'Sluice <sluice@example.com>', to: [] },
      webhook: null,
      digestMs: 5_000,
      earlyWarning: 'p90' as const,
    },
    connections: { mail: { type: 'smtp', host: '127.0.0.1', port, tls: 'none' }, ...more },
  }
}

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function outboxOf(store: Store, clock: VirtualClock, set: Partial<OutboxPorts>): AlertOutbox {
  const logs = { tail: async () => [] }
  const channels = createChannels(config(1))
  const outbox = new AlertOutbox({
    ...{ store, clock, channels, logs, events: new Events(), log: quiet, windowMs: 5_000 },
    ...set,
  })
  endings.push(() => outbox.stop())
  outbox.start()
  return outbox
}

const subjects = (received: readonly ReceivedMail[]) => received.map(({ mail }) => mail.subject)

/** A run of `sales` whose task `load` has failed, with `report` behind it. */
async function failedRun(store: Store): Promise<string> {
  const tasks = [task('load', [], { retries: 2 }), task('report', ['load'])]
  await register(store, dagNamed('sales', { tasks }))
  const run = newRun('sales', { taskIds: ['load', 'report'] })
  await store.createRun(run, { now: NOW })
  return run.id
}

describe('the outbox', () => {
  it('sends one failure as one mail that says what, where and what waits for it', async () => {
    const { port, received } = await mailServer()
    const [store, clock] = [createMemoryStore(), new VirtualClock(NOW)]
    const runId = await failedRun(store)
    const payload = { reason: 'exit code 1', attempt: 3 }
    const about = { kind: 'task_failed', taskId: 'load', subject: 'sales.load', runId, payload } as const
    await store.raiseAlerts([failure('x', about)], NOW)
    const lines = ['reading orders', '<b>boom</b>'].map((message, index) => {
      return { line: index + 1, at: '', level: 'info' as const, message }
    })
    const channels = createChannels(config(port))
    const outbox = outboxOf(store, clock, { channels, logs: { tail: async () => lines } })
    await clock.runUntil(NOW + MINUTE, () => outbox.idle())
    expect(received).toHaveLength(1)
    const [{ mail, to } = { mail: null, to: [] }] = received
    expect(to).toEqual(['team@example.com'])
    expect(mail?.subject).toBe('[Sluice] Failed: sales.load failed, run due 05:00 UTC')
    expect(mail?.text).toContain('exit code 1')
    expect(mail?.text).toContain('Waiting for it: report')
    expect(mail?.text).toContain('  <b>boom</b>')
    expect(mail?.text).toContain(`https://sluice.example.com/runs/${encodeURIComponent(runId)}/tasks/load`)
    expect(mail?.html).toContain('&lt;b&gt;boom&lt;/b&gt;')
    expect(await store.outbox()).toEqual({ waiting: [], nextAttemptAt: null })
  })

  it('brings everything once after ten minutes without a mail server, within 20 seconds of its return', async () => {
    const gone = await startMailServer()
    await gone.stop()
    const [store, clock] = [createMemoryStore(), new VirtualClock(NOW)]
    const outbox = outboxOf(store, clock, { channels: createChannels(config(gone.port)) })
    const names = ['a', 'b', 'c', 'd']
    for (const [index, name] of names.entries()) {
      await store.raiseAlerts([failure(name, { payload: { reason: `reason ${name}` } })], clock.now())
      await clock.runUntil(NOW + (index + 1) * 2.5 * MINUTE, () => outbox.idle())
    }
    const [stuck] = await store.listMessages({ state: 'waiting', before: null, limit: 9 })
    expect(stuck?.attempts).toBeGreaterThan(35)
    expect(stuck?.problem).toContain('ECONNREFUSED')
    const back = await mailServerOn(gone.port)
    await clock.runUntil(NOW + 10 * MINUTE + 20_000, () => outbox.idle())
    expect(subjects(back.received)).toEqual([
      '[Sluice] Failed: sales failed',
      '[Sluice] 3 alerts: sales: 3 failed runs',
    ])
    const text = back.received.map(({ mail }) => mail.text).join()
    for (const name of names) expect(text.split(`reason ${name}`)).toHaveLength(2)
    await clock.runUntil(NOW + 60 * MINUTE, () => outbox.idle())
    expect(back.received).toHaveLength(2)
  })

  it('makes one mail of 14,000 misses for each set of recipients, whoever sends', async () => {
    const { port, received } = await mailServer()
    const [store, clock] = [createMemoryStore(), new VirtualClock(NOW)]
    const ops = destinationsOf({ email: ['ops@example.com'], webhook: null })
    const misses = Array.from({ length: 14_000 }, (_, index): AlertEvent => {
      const destinations = index % 2 === 0 ? TEAM : ops
      return failure(`miss ${index}`, { kind: 'sla_missed', dagId: `dag_${index % 40}`, destinations })
    })
    const outboxes = [1, 2, 3].map(() => outboxOf(store, clock, { channels: createChannels(config(port)) }))
    for (let from = 0; from < misses.length; from += 2_000) {
      await store.raiseAlerts(misses.slice(from, from + 2_000), clock.now())
    }
    await clock.runUntil(NOW + 5 * MINUTE, async () => {
      for (const outbox of outboxes) await outbox.idle()
    })
    expect(received.map(({ to }) => to).sort()).toEqual([['ops@example.com'], ['team@example.com']])
    expect(subjects(received)[0]).toContain('7,000 alerts: dag_')
    expect(received[0]?.mail.text).toContain('and 6,950 more')
    expect(received[0]?.raw.length).toBeLessThan(100_000)
  })

  it.each([
    ['fifty every five seconds', 50, 5_000, 6],
    ['one every ten seconds', 1, 10_000, 14],
  ])('makes about one mail a minute of a storm that lasts for five: %s', async (_name, each, everyMs, most) => {
    const { port, received } = await mailServer()
    const [store, clock] = [createMemoryStore(), new VirtualClock(NOW)]
    const outbox = outboxOf(store, clock, { channels: createChannels(config(port)) })
    let raised = 0
    while (clock.now() < NOW + 5 * MINUTE) {
      const some = Array.from({ length: each }, (_, index) => failure(`${raised + index}`))
      raised += (await store.raiseAlerts(some, clock.now())).length
      await clock.runUntil(clock.now() + everyMs, () => outbox.idle())
    }
    await clock.runUntil(NOW + 7 * MINUTE, () => outbox.idle())
    const carried = (await store.listMessages({ state: 'sent', before: null, limit: 99 })).map(({ alerts }) => alerts)
    expect(received).toHaveLength(carried.length)
    expect(received.length).toBeLessThanOrEqual(most)
    expect(carried.reduce((sum, alerts) => sum + alerts, 0)).toBe(raised)
    // whoever is told later of something else is told at once
    await clock.runUntil(NOW + 15 * MINUTE, () => outbox.idle())
    await store.raiseAlerts([failure('later')], clock.now())
    await clock.runUntil(NOW + 15 * MINUTE + 6_000, () => outbox.idle())
    expect(received).toHaveLength(carried.length + 1)
  })

  it('sends what another was sending when it died, under the same Message-ID', async () => {
    const { port, received } = await mailServer()
    const [store, clock] = [createMemoryStore(), new VirtualClock(NOW)]
    await store.raiseAlerts([failure('a')], NOW)
    const channels = createChannels(config(port))
    const ports = { clock, channels, logs: { tail: async () => [] }, events: new Events(), log: quiet, windowMs: 5_000 }
    /** Dies at the point: from then on the store never answers it. */
    const dies = (at: string): AlertOutbox => {
      let dead = false
      const mortal = new Proxy(store, {
        get: (target, name: keyof Store) => (dead ? () => new Promise(() => {}) : target[name]),
      })
      const debugPoint = (point: string) => {
        if (point !== at) return undefined
        dead = true
        return new Promise<void>(() => {})
      }
      return new AlertOutbox({ ...ports, store: mortal, debugPoint })
    }
    const messages = () => store.listMessages({ state: null, before: null, limit: 9 })
    const attempted = async (times: number) => {
      const deadline = Date.now() + 10_000
      const before = received.length
      while ((await messages())[0]?.attempts !== times && Date.now() < deadline) await new Promise(setImmediate)
      if (times === 2) while (received.length === before && Date.now() < deadline) await new Promise(setImmediate)
    }
    dies('message:claimed').start()
    await clock.runUntil(NOW + 10_000, () => new Promise(setImmediate))
    await attempted(1)
    expect(received).toEqual([])
    dies('message:sent').start()
    await clock.runUntil(NOW + 10_000 + 2 * MINUTE, () => new Promise(setImmediate))
    await attempted(2)
    expect(received).toHaveLength(1)
    const lives = outboxOf(store, clock, { channels })
    await clock.runUntil(NOW + 10_000 + 5 * MINUTE, () => lives.idle())
    expect(received.map(({ mail }) => mail.messageId)).toEqual([
      received[0]?.mail.messageId,
      received[0]?.mail.messageId,
    ])
    expect(await messages()).toMatchObject([{ state: 'sent', attempts: 3 }])
  })

  it('gives up what the server refuses for good, and sends it when somebody asks', async () => {
    let known = false
    const { port, received } = await mailServer({
      onRcptTo: (_address, _session, callback) =>
        callback(known ? null : Object.assign(new Error('no such user'), { responseCode: 550 })),
    })
    const [store, clock] = [createMemoryStore(), new VirtualClock(NOW)]
    await store.raiseAlerts([failure('a')], NOW)
    const outbox = outboxOf(store, clock, { channels: createChannels(config(port)) })
    await clock.runUntil(NOW + MINUTE, () => outbox.idle())
    const [dead] = await store.listMessages({ state: 'dead', before: null, limit: 9 })
    expect(dead).toMatchObject({ attempts: 1, problem: expect.stringContaining('550') })
    known = true
    await store.retryMessage(dead?.id ?? 0, clock.now())
    await clock.runUntil(NOW + 2 * MINUTE, () => outbox.idle())
    expect(subjects(received)).toEqual(['[Sluice] Failed: sales failed'])
  })

  it('leaves alone what sluice.yaml has no way for', async () => {
    const [store, clock] = [createMemoryStore(), new VirtualClock(NOW)]
    await store.raiseAlerts([failure('a', { destinations: [...TEAM, 'webhook chat'] })], NOW)
    const without = { ...config(1), alerts: { email: null, webhook: null, digestMs: 0, earlyWarning: 'off' as const } }
    const outbox = outboxOf(store, clock, { channels: createChannels(without) })
    await clock.runUntil(NOW + MINUTE, () => outbox.idle())
    const [alert] = await store.listAlerts({ dagId: null, acknowledged: null, before: null, limit: 1 })
    expect(alert?.deliveries.map(({ state }) => state)).toEqual(['off', 'off'])
  })
})

async function mailServerOn(port: number) {
  const server = await startMailServer({ disabledCommands: ['AUTH', 'STARTTLS'] }, port)
  endings.push(server.stop)
  return server
}

describe('a webhook', () => {
  it('gets signed JSON as Slack takes it, again until it has taken it', async () => {
    const requests: { headers: NodeJS.Dict<string | string[]>; body: string }[] = []
    const server = createServer(async (req, res) => {
      const chunks: Buffer[] = []
      for await (const chunk of req) chunks.push(chunk as Buffer)
      requests.push({ headers: req.headers, body: Buffer.concat(chunks).toString() })
      res.writeHead(requests.length === 1 ? 503 : 200).end('ok')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    endings.push(() => new Promise((resolve) => server.close(resolve)))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/x`
    process.env.SLUICE_TEST_HOOK = 'hush'
    const chat = {
      type: 'webhook',
      url,
      secret: ['${', 'env:SLUICE_TEST_HOOK}'].join(''),
      headers: { 'x-team': 'data' },
    }
    const [store, clock] = [createMemoryStore(), new VirtualClock(NOW)]
    const evil = { reason: '<!channel> & <https://evil.example|click>' }
    await store.raiseAlerts([failure('a', { destinations: ['webhook chat'], payload: evil })], NOW)
    const outbox = outboxOf(store, clock, { channels: createChannels(config(1, { chat })) })
    await clock.runUntil(NOW + MINUTE, () => outbox.idle())
    expect(requests).toHaveLength(2)
    const [first, second] = requests
    expect(second?.headers['x-sluice-message']).toBe(first?.headers['x-sluice-message'])
    expect(second?.headers['x-team']).toBe('data')
    const { 'x-sluice-timestamp': at, 'x-sluice-signature': signed } = second?.headers ?? {}
    expect(signed).toBe(`sha256=${signature('hush', String(at), second?.body ?? '')}`)
    const body = JSON.parse(second?.body ?? '{}') as {
      text: string
      attachments: { text: string }[]
      alerts: unknown[]
    }
    expect(body.text).toBe('Failed: sales failed')
    expect(body.attachments[0]?.text).toBe('&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;')
    expect(body.alerts).toMatchObject([{ kind: 'run_failed', dag: 'sales', raised_at: '2026-11-20T05:00:00.000Z' }])
  })
})
