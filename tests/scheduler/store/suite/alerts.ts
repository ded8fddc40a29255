import { beforeEach, describe, expect, it } from 'vitest'
import { type AlertEvent, destinationsOf } from '../../../../scheduler/core/alert.js'
import type { Store } from '../../../../scheduler/store/store.js'
import { type FreshStore, NO_CHANGE, NOW, runningRun } from './subject.js'

export const TEAM = destinationsOf({ email: ['team@example.com'], webhook: null })
const HOUR = 3_600_000

/** A failure of `sales`; its key from what makes it one. */
export function failure(name: string, changes: Partial<AlertEvent> = {}): AlertEvent {
  return {
    key: `run_failed ${name}`,
    kind: 'run_failed',
    subject: 'sales',
    dagId: 'sales',
    runId: name,
    taskId: null,
    payload: { reason: 'load failed' },
    destinations: TEAM,
    after: null,
    ...changes,
  }
}

/** Claims and gives what the messages that are due carry, as keys of alerts. */
export async function carried(store: Store, now: number): Promise<string[][]> {
  const messages = await store.claimMessages({ now, leaseMs: HOUR, limit: 100 })
  const contents = await Promise.all(messages.map(({ id }) => store.messageContent(id, 100)))
  return contents.map(({ alerts }) => alerts.map(({ key }) => key))
}

export function alertsSuite(fresh: FreshStore): void {
  describe('alerts', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
    })
    const recovery = (name: string) =>
      failure(name, { key: 'run_recovered sales', kind: 'run_recovered', after: 'run_failed' })

    it('are raised once for each key, however often and together with what', async () => {
      expect(await store.raiseAlerts([], NOW)).toEqual([])
      expect(await store.raiseAlerts([failure('a'), failure('a')], NOW)).toEqual(['run_failed a'])
      expect(await store.raiseAlerts([failure('a'), failure('b')], NOW + 1)).toEqual(['run_failed b'])
      await store.makeMessages(TEAM, NOW)
      const [message] = await store.claimMessages({ now: NOW, leaseMs: HOUR, limit: 9 })
      const { alerts, counts } = await store.messageContent(message?.id ?? 0, 9)
      expect(alerts.map(({ id: _, ...alert }) => alert)).toEqual(
        ['a', 'b'].map((name, index) => {
          const { destinations: _, after: __, ...event } = failure(name)
          return { ...event, raisedAt: NOW + index, acknowledgedBy: null }
        }),
      )
      expect(counts).toEqual([{ kind: 'run_failed', dagId: 'sales', count: 2 }])
    })

    it('are raised in the step of a decision, or not at all when it conflicts', async () => {
      const runId = await runningRun(store, 'sales')
      const decision = { ...NO_CHANGE, run: { reason: 'load failed' }, alerts: [failure(runId)] }
      expect(await store.applyDecision(runId, 99, decision, NOW)).toBe('conflict')
      expect((await store.outbox()).waiting).toEqual([])
      expect(await store.applyDecision(runId, 1, decision, NOW + 5)).toBe('applied')
      expect((await store.outbox()).waiting).toEqual([
        { destination: TEAM[0], since: NOW + 5, newest: NOW + 5, isOpen: false, lately: [] },
      ])
      expect(await store.raiseAlerts([failure(runId)], NOW)).toEqual([])
    })

    it('answer the newest failure of their subject, each once', async () => {
      expect(await store.raiseAlerts([recovery('a')], NOW)).toEqual([])
      await store.raiseAlerts([failure('a', { subject: 'other' }), failure('b', { kind: 'run_recovered' })], NOW)
      expect(await store.raiseAlerts([recovery('c')], NOW)).toEqual([])
      await store.raiseAlerts([failure('d')], NOW)
      expect(await store.raiseAlerts([recovery('e'), recovery('f')], NOW)).toHaveLength(1)
      expect(await store.raiseAlerts([recovery('g')], NOW)).toEqual([])
      await store.raiseAlerts([failure('h')], NOW)
      const [answer] = await store.raiseAlerts([recovery('i')], NOW)
      expect(answer).toMatch(/^run_recovered sales \d+$/)
    })

    it('are shown and go to nobody when they name nobody', async () => {
      expect(await store.raiseAlerts([failure('a', { destinations: [] })], NOW)).toEqual(['run_failed a'])
      expect(await store.outbox()).toEqual({ waiting: [], nextAttemptAt: null })
    })

    it('are not sent once somebody has acknowledged them', async () => {
      await store.raiseAlerts([failure('a'), failure('b'), failure('c', { dagId: 'other' })], NOW)
      await store.makeMessages(TEAM, NOW)
      const [message] = await store.claimMessages({ now: NOW, leaseMs: HOUR, limit: 1 })
      const ids = (await store.messageContent(message?.id ?? 0, 9)).alerts.map(({ id }) => id)
      await store.raiseAlerts([failure('d'), failure('e'), failure('f', { dagId: 'other' })], NOW)
      expect(await store.acknowledgeAlerts({ alertIds: [ids[0] ?? 0, 999] }, 'mira', NOW)).toBe(1)
      expect(await store.acknowledgeAlerts({ messageId: message?.id ?? 0 }, 'jonas', NOW)).toBe(2)
      expect(await store.acknowledgeAlerts({ dagId: 'sales' }, 'mira', NOW)).toBe(2)
      expect(await store.acknowledgeAlerts({ dagId: 'sales' }, 'mira', NOW)).toBe(0)
      const names = (await store.messageContent(message?.id ?? 0, 9)).alerts.map((alert) => alert.acknowledgedBy)
      expect(names).toEqual(['mira', 'jonas', 'jonas'])
      await store.settleMessage(
        { id: message?.id ?? 0, claimToken: message?.claimToken ?? '' },
        { state: 'sent', refused: null, problem: '' },
        NOW,
      )
      await store.makeMessages(TEAM, NOW)
      expect(await carried(store, NOW)).toEqual([['run_failed f']])
    })

    it('are not sent while their DAG or task is muted, and never later', async () => {
      const mute = { dagId: 'sales', taskId: null, until: NOW + HOUR, reason: 'moving house', createdBy: 'mira' }
      const id = await store.muteAlerts(mute, NOW)
      const ofTask = await store.muteAlerts({ ...mute, dagId: 'stock', taskId: 'load', until: NOW + 2 }, NOW)
      expect(await store.mutes(NOW)).toEqual([
        { ...mute, dagId: 'stock', taskId: 'load', until: NOW + 2, id: ofTask, createdAt: NOW },
        { ...mute, id, createdAt: NOW },
      ])
      const stock = { dagId: 'stock', subject: 'stock' }
      await store.raiseAlerts([failure('a'), failure('b', stock), failure('c', { ...stock, taskId: 'load' })], NOW)
      await store.makeMessages(TEAM, NOW + 1)
      expect(await carried(store, NOW + 1)).toEqual([['run_failed b']])
      expect(await store.endMute(id, NOW + 2)).toBe('changed')
      expect(await store.endMute(id, NOW + 3)).toBe('unchanged')
      expect(await store.endMute(999, NOW)).toBe('unknown')
      expect(await store.mutes(NOW + 2)).toEqual([])
      expect((await store.outbox()).waiting).toEqual([])
      const all = { dagId: null, acknowledged: null, before: null, limit: 9 }
      const listed = await store.listAlerts(all)
      expect(listed.map(({ key, deliveries }) => [key, deliveries[0]?.state])).toEqual([
        ['run_failed c', 'muted'],
        ['run_failed b', 'waiting'],
        ['run_failed a', 'muted'],
      ])
      expect(await store.listAlerts({ ...all, dagId: 'stock', limit: 1 })).toEqual([listed[0]])
      expect(await store.listAlerts({ ...all, before: listed[1]?.id ?? 0 })).toEqual([listed[2]])
      expect(await store.listAlerts({ ...all, acknowledged: true })).toEqual([])
    })

    it('that were raised while their DAG was muted are not sent after it either, others are', async () => {
      const mute = { dagId: 'sales', taskId: null, reason: 'moving house', createdBy: 'mira' }
      await store.raiseAlerts([failure('before')], NOW)
      const id = await store.muteAlerts({ ...mute, until: NOW + HOUR }, NOW + 1)
      await store.raiseAlerts([failure('at its begin')], NOW + 1)
      await store.raiseAlerts([failure('while muted')], NOW + 2)
      await store.endMute(id, NOW + 3)
      await store.raiseAlerts([failure('at its end')], NOW + 3)
      await store.muteAlerts({ ...mute, until: NOW + 6 }, NOW + 5)
      await store.raiseAlerts([failure('while muted again')], NOW + 5)
      await store.makeMessages(TEAM, NOW + 6)
      expect(await carried(store, NOW + 6)).toEqual([['run_failed before', 'run_failed at its end']])
    })

    it('go when they are old, with messages that carry no other', async () => {
      await store.raiseAlerts([failure('a'), failure('b', { destinations: [] })], NOW)
      await store.makeMessages(TEAM, NOW)
      const [message] = await store.claimMessages({ now: NOW, leaseMs: HOUR, limit: 1 })
      await store.raiseAlerts([failure('c')], NOW)
      expect(await store.removeAlerts(NOW, 9)).toBe(0)
      // what is still to be sent stays
      expect(await store.removeAlerts(NOW + 1, 9)).toBe(1)
      const claim = { id: message?.id ?? 0, claimToken: message?.claimToken ?? '' }
      await store.settleMessage(claim, { state: 'sent', refused: null, problem: '' }, NOW)
      expect(await store.removeAlerts(NOW + 1, 9)).toBe(1)
      expect(await store.messageContent(claim.id, 9)).toEqual({ alerts: [], counts: [] })
      expect(await store.retryMessage(claim.id, NOW)).toBe('unknown')
    })
  })
}
