import { beforeEach, describe, expect, it } from 'vitest'
import { destinationsOf } from '../../../../scheduler/core/alert.js'
import type { ClaimedMessage } from '../../../../scheduler/store/alert-store.js'
import type { Store } from '../../../../scheduler/store/store.js'
import { carried, failure, TEAM } from './alerts.js'
import { type FreshStore, NOW } from './subject.js'

const OPS = destinationsOf({ email: ['team@example.com', 'ops@example.com'], webhook: 'chat' })
const LEASE = 60_000

export function alertMessagesSuite(fresh: FreshStore): void {
  describe('messages of alerts', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
    })
    const claimAll = (now: number) => store.claimMessages({ now, leaseMs: LEASE, limit: 100 })
    const claimOne = async (now: number): Promise<ClaimedMessage> => {
      const [claimed] = await claimAll(now)
      if (claimed === undefined) throw new Error('there is no message to claim')
      return claimed
    }
    const sent = { state: 'sent', refused: null, problem: '' } as const

    it('carry all that waits for one destination, and never merge two', async () => {
      await store.raiseAlerts([failure('a'), failure('b', { destinations: OPS }), failure('c')], NOW)
      const all = [...TEAM, ...OPS]
      expect((await store.outbox()).waiting.map(({ destination }) => destination).sort()).toEqual([...all].sort())
      expect(await store.makeMessages(all, NOW + 7)).toBe(3)
      expect(await store.outbox()).toEqual({ waiting: [], nextAttemptAt: NOW + 7 })
      const messages = await claimAll(NOW + 7)
      expect(messages.map(({ destination }) => destination).sort()).toEqual([...all].sort())
      expect(new Set(messages.map(({ key }) => key)).size).toBe(3)
      const toTeam = messages.find(({ destination }) => destination === TEAM[0])
      expect(toTeam).toMatchObject({ attempts: 1, createdAt: NOW + 7, leaseUntil: NOW + 7 + LEASE })
      const { alerts } = await store.messageContent(toTeam?.id ?? 0, 1)
      expect(alerts.map(({ key }) => key)).toEqual(['run_failed a'])
    })

    it('go to a destination one at a time, however many make them', async () => {
      await store.raiseAlerts([failure('a')], NOW)
      await Promise.all([store.makeMessages(TEAM, NOW), store.makeMessages(TEAM, NOW)])
      await store.raiseAlerts([failure('b')], NOW + 3)
      expect(await store.makeMessages(TEAM, NOW + 3)).toBe(0)
      expect((await store.outbox()).waiting).toEqual([
        { destination: TEAM[0], since: NOW + 3, newest: NOW + 3, isOpen: true, lately: [{ alerts: 1, at: NOW }] },
      ])
      const first = await claimOne(NOW)
      expect(await store.settleMessage(first, sent, NOW + 4)).toBe('settled')
      expect(await store.makeMessages(TEAM, NOW + 4)).toBe(1)
      expect(await carried(store, NOW + 4)).toEqual([['run_failed b']])
    })

    it('know the ten before them, the newest first', async () => {
      for (let at = 0; at < 11; at += 1) {
        await store.raiseAlerts([failure(`a${at}`), failure(`b${at}`)].slice(0, 1 + (at % 2)), NOW + at)
        await store.makeMessages(TEAM, NOW + at)
        await store.settleMessage(await claimOne(NOW + at), sent, NOW + at)
      }
      await store.raiseAlerts([failure('last')], NOW + 20)
      const newest = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map((at) => ({ alerts: 1 + (at % 2), at: NOW + at }))
      expect((await store.outbox()).waiting[0]?.lately).toEqual(newest)
    })

    it('are one for a storm', async () => {
      const many = Array.from({ length: 14_000 }, (_, index) => failure(`miss ${index}`, { dagId: `dag${index % 3}` }))
      expect(await store.raiseAlerts(many, NOW)).toHaveLength(14_000)
      expect(await store.makeMessages(TEAM, NOW)).toBe(1)
      const storm = await claimOne(NOW)
      const { alerts, counts } = await store.messageContent(storm.id, 50)
      expect(alerts.map(({ key }) => key)).toEqual(many.slice(0, 50).map(({ key }) => key))
      expect(counts.map(({ dagId, count }) => [dagId, count])).toEqual([
        ['dag0', 4_667],
        ['dag1', 4_667],
        ['dag2', 4_666],
      ])
      expect((await store.listMessages({ state: null, before: null, limit: 9 })).map(({ alerts: n }) => n)).toEqual([
        14_000,
      ])
    })

    it('are made of nothing for nobody', async () => {
      expect(await store.makeMessages([], NOW)).toBe(0)
      expect(await store.makeMessages(TEAM, NOW)).toBe(0)
      await store.raiseAlerts([failure('a')], NOW)
      await store.dropDestination(TEAM[0] ?? '')
      expect(await store.outbox()).toEqual({ waiting: [], nextAttemptAt: null })
    })

    it('are sent by one at a time, and by another once its lease is over', async () => {
      await store.raiseAlerts([failure('a')], NOW)
      await store.makeMessages(TEAM, NOW)
      const [claims, none] = await Promise.all([claimAll(NOW), claimAll(NOW)])
      expect(claims.length + none.length).toBe(1)
      const [first] = [...claims, ...none]
      expect((await store.outbox()).nextAttemptAt).toBe(NOW + LEASE)
      expect(await claimAll(NOW + LEASE - 1)).toEqual([])
      const second = await claimOne(NOW + LEASE)
      expect(second).toMatchObject({ id: first?.id, key: first?.key, attempts: 2 })
      expect(await store.settleMessage(first ?? second, sent, NOW)).toBe('lost_claim')
      expect(await store.settleMessage(second, sent, NOW)).toBe('settled')
      expect(await store.settleMessage(second, sent, NOW)).toBe('lost_claim')
      expect(await claimAll(NOW + 10 * LEASE)).toEqual([])
    })

    it('are free at once when the only Sluice of a store begins anew', async () => {
      await store.raiseAlerts([failure('a')], NOW)
      await store.makeMessages(TEAM, NOW)
      const before = await claimOne(NOW)
      await store.releaseMessages()
      const after = await claimOne(NOW)
      expect(after.key).toBe(before.key)
      expect(await store.settleMessage(before, sent, NOW)).toBe('lost_claim')
    })

    it('are tried again at their instant', async () => {
      await store.raiseAlerts([failure('a')], NOW)
      await store.makeMessages(TEAM, NOW)
      const retry = { state: 'waiting', retryAt: NOW + 1_000, problem: 'connection refused' } as const
      expect(await store.settleMessage(await claimOne(NOW), retry, NOW)).toBe('settled')
      expect((await store.outbox()).nextAttemptAt).toBe(NOW + 1_000)
      expect(await claimAll(NOW + 999)).toEqual([])
      expect(await claimOne(NOW + 1_000)).toMatchObject({ attempts: 2 })
    })

    it('that nobody takes are dead, block no other, and are sent again by hand', async () => {
      await store.raiseAlerts([failure('a')], NOW)
      await store.makeMessages(TEAM, NOW)
      const dead = await claimOne(NOW)
      expect(await store.retryMessage(dead.id, NOW)).toBe('unchanged')
      await store.settleMessage(dead, { state: 'dead', problem: '550 no such user' }, NOW)
      await store.raiseAlerts([failure('b')], NOW)
      expect(await store.makeMessages(TEAM, NOW)).toBe(1)
      expect(await store.retryMessage(dead.id, NOW + 1)).toBe('changed')
      expect(await store.retryMessage(999_999, NOW)).toBe('unknown')
      const again = (await claimAll(NOW + 1)).find(({ id }) => id === dead.id)
      expect(again).toMatchObject({ key: dead.key, attempts: 2 })
    })

    it('leave a dead letter for those whom the server did not take', async () => {
      await store.raiseAlerts([failure('a', { destinations: [OPS[0] ?? ''] })], NOW)
      await store.makeMessages([OPS[0] ?? ''], NOW)
      const end = { state: 'sent', refused: TEAM[0] ?? '', problem: 'team@example.com was refused' } as const
      await store.settleMessage(await claimOne(NOW), end, NOW)
      expect(await claimAll(NOW + LEASE)).toEqual([])
      const [dead, whole, ...others] = await store.listMessages({ state: null, before: null, limit: 9 })
      expect(others).toEqual([])
      expect(dead).toMatchObject({ state: 'dead', destination: TEAM[0], alerts: 1, problem: end.problem, endedAt: NOW })
      expect(whole).toMatchObject({ state: 'sent', destination: OPS[0], attempts: 1 })
      expect((await store.messageContent(dead?.id ?? 0, 9)).alerts.map(({ key }) => key)).toEqual(['run_failed a'])
      expect(await store.listMessages({ state: 'dead', before: null, limit: 9 })).toEqual([dead])
      expect(await store.listMessages({ state: null, before: dead?.id ?? 0, limit: 9 })).toEqual([whole])
      const [listed] = await store.listAlerts({ dagId: null, acknowledged: false, before: null, limit: 9 })
      expect(listed?.deliveries).toEqual([
        { destination: OPS[0], state: 'sent', messageId: whole?.id },
        { destination: TEAM[0], state: 'dead', messageId: dead?.id },
      ])
    })
  })
}
