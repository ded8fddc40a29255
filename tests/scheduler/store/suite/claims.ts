import { beforeEach, describe, expect, it } from 'vitest'
import { SET_BACK_MS } from '../../../../scheduler/store/set-back.js'
import type { ClaimRef, Store, WorkerInfo } from '../../../../scheduler/store/store.js'
import {
  claimOne,
  type FreshStore,
  LEASE_MS,
  moveTasks,
  NO_CHANGE,
  NO_FACTS,
  NOW,
  outcomeOf,
  queuedRun,
  WORKER,
  whileNoneIsThere,
} from './subject.js'

const ALIVE: WorkerInfo = {
  ...WORKER,
  host: 'localhost',
  pid: 4711,
  slots: 2,
  busy: 1,
  startedAt: NOW,
  heartbeatAt: NOW,
}

export function claimsSuite(fresh: FreshStore): void {
  describe('claims', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
    })
    const claimAll = (limit = 100) => store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit })

    it('hands a task to one worker, with all it needs', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'], noChecks: true })
      const claim = await claimOne(store, NOW + 5)
      expect(claim).toMatchObject({
        runId,
        dagId: 'sales',
        version: 'version-of-sales',
        taskId: 'a',
        attempt: 1,
        tries: 1,
        generation: 1,
        leaseUntil: NOW + 5 + LEASE_MS,
        params: { country: 'all' },
        noChecks: true,
        handle: null,
      })
      expect((await store.taskRuns(runId))[0]).toMatchObject({
        state: 'running',
        startedAt: NOW + 5,
        endedAt: null,
        reason: '',
      })
      expect(await claimAll()).toEqual([])
    })

    it('lets none begin before it was queued, whenever the claim was asked for', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const [claim] = await store.claim(WORKER, { now: NOW - 5, leaseMs: LEASE_MS, limit: 1 })
      expect(claim).toMatchObject({ claimedAt: NOW, leaseUntil: NOW - 5 + LEASE_MS })
      expect((await store.taskRuns(runId))[0]).toMatchObject({ startedAt: NOW, since: NOW })
    })

    it('dates an attempt from when its worker had it in hand', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a', 'b'] })
      const [late, early] = await store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 2 })
      if (late === undefined || early === undefined) throw new Error('nothing to claim')
      const reports = [outcomeOf(late, { startedAt: NOW + 7 }), outcomeOf(early, { startedAt: NOW - 7 })]
      await store.recordOutcomes(reports, NOW + 1000)
      const starts = new Map((await store.taskRuns(runId)).map(({ taskId, startedAt }) => [taskId, startedAt]))
      expect(starts.get(late.taskId)).toBe(NOW + 7)
      expect(starts.get(early.taskId)).toBe(NOW)
    })

    it('hands each task to exactly one of many workers', async () => {
      await queuedRun(store, 'sales', { taskIds: Array.from({ length: 20 }, (_, index) => `t${index}`) })
      const claim = (_: unknown, index: number) =>
        store.claim({ ...WORKER, id: `worker-${index}` }, { now: NOW, leaseMs: LEASE_MS, limit: 5 })
      const claims = (await Promise.all(Array.from({ length: 8 }, claim))).flat()
      expect(claims).toHaveLength(20)
      expect(new Set(claims.map((each) => each.taskId)).size).toBe(20)
      expect(new Set(claims.map((each) => each.claimToken)).size).toBe(20)
    })

    it('lets DAGs take turns, whoever queued first', async () => {
      await queuedRun(store, 'flood', { taskIds: Array.from({ length: 30 }, (_, index) => `t${index}`) })
      await store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 3 })
      await queuedRun(store, 'small', { taskIds: ['a', 'b', 'c', 'd'] })
      const claimed = await store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 5 })
      // three of flood run already, so small catches up first
      expect(claimed.map(({ dagId }) => dagId).sort()).toEqual(['flood', 'small', 'small', 'small', 'small'])
    })

    it('respects queues and priorities', async () => {
      await queuedRun(store, 'sales', {
        tasks: [
          { taskId: 'low', pool: 'default', queue: 'default', priority: 0 },
          { taskId: 'other', pool: 'default', queue: 'spark', priority: 99 },
          { taskId: 'high', pool: 'default', queue: 'default', priority: 5 },
        ],
      })
      expect((await claimAll()).map((claim) => claim.taskId)).toEqual(['high', 'low'])
      const spark = await store.claim({ ...WORKER, queues: ['spark'] }, { now: NOW, leaseMs: LEASE_MS, limit: 1 })
      expect(spark.map((claim) => claim.taskId)).toEqual(['other'])
    })

    it('gives a task that is alone to nobody who may not have it', async () => {
      await whileNoneIsThere(claimAll)
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const options = { now: NOW, leaseMs: LEASE_MS, limit: 5 }
      expect(await store.claim({ ...WORKER, queues: ['spark'] }, options)).toEqual([])
      const { epoch } = await store.beginEpoch('a new start', NOW)
      expect(await store.claim(WORKER, options)).toEqual([])
      const over = { ...NO_CHANGE, run: { state: 'failed' as const } }
      expect(await store.applyDecision(runId, 2, over, NOW)).toBe('applied')
      expect(await store.claim({ ...WORKER, epoch }, options)).toEqual([])
      expect((await store.taskRuns(runId))[0]?.state).toBe('queued')
    })

    it('gives nothing to a worker of an older epoch', async () => {
      await queuedRun(store, 'sales')
      const { epoch } = await store.beginEpoch('a new start', NOW)
      expect(await claimAll()).toEqual([])
      expect(await store.claim({ ...WORKER, epoch }, { now: NOW, leaseMs: LEASE_MS, limit: 9 })).toHaveLength(2)
    })

    it('tells a worker of an older epoch with its heartbeat, with claims and without', async () => {
      await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const beat = (claims: ClaimRef[], epoch = WORKER.epoch) =>
        store.heartbeat({ ...ALIVE, epoch }, claims, { now: NOW, leaseMs: LEASE_MS })
      expect(await beat([claim])).toEqual({ lost: [], cancel: [], epochOver: false })
      expect(await beat([])).toEqual({ lost: [], cancel: [], epochOver: false })
      const { epoch } = await store.beginEpoch('a new start', NOW)
      expect(await beat([claim])).toEqual({ lost: [claim], cancel: [], epochOver: true })
      expect(await beat([])).toEqual({ lost: [], cancel: [], epochOver: true })
      expect(await beat([], epoch)).toEqual({ lost: [], cancel: [], epochOver: false })
    })

    it('records an outcome once, and the same report again as recorded', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const report = outcomeOf(claim, { outputs: { rows: 7 }, reason: 'wrote 7 rows' })
      expect(await store.recordOutcomes([report], NOW)).toEqual(['recorded'])
      expect(await store.recordOutcomes([report], NOW)).toEqual(['recorded'])
      expect((await store.snapshot(runId))?.outcomes).toEqual([report.outcome])
      expect((await store.taskRuns(runId))[0]?.state).toBe('running')
    })

    it('takes the same report twice in one batch as recorded', async () => {
      await queuedRun(store, 'sales', { taskIds: ['a'] })
      const report = outcomeOf(await claimOne(store))
      expect(await store.recordOutcomes([report, report], NOW)).toEqual(['recorded', 'recorded'])
    })

    it('records an outcome whatever characters the task reports', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const odd = 'NUL \0, half a pair \ud83d, a path C:\\u0000, whole \u{1f600}'
      const report = outcomeOf(await claimOne(store), { reason: odd, outputs: { [odd]: [odd] } })
      const facts = { ...NO_FACTS, rendered: { odd }, metrics: { odd } }
      expect(await store.recordOutcomes([{ ...report, facts }], NOW)).toEqual(['recorded'])
      const outcome = (await store.snapshot(runId))?.outcomes[0]
      expect(outcome?.reason).toContain('a path C:\\u0000, whole \u{1f600}')
      expect(JSON.stringify(outcome?.outputs)).toContain('\u{1f600}')
    })

    it('refuses another end for an attempt that has ended', async () => {
      await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      await store.recordOutcomes([outcomeOf(claim)], NOW)
      expect(await store.recordOutcomes([outcomeOf(claim, { result: 'failed' })], NOW)).toEqual(['lost_claim'])
    })

    it('refuses a report that carries the wrong claim token', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      expect(await store.recordOutcomes([{ ...outcomeOf(claim), claimToken: 'stolen' }], NOW)).toEqual(['lost_claim'])
      expect((await store.snapshot(runId))?.outcomes).toEqual([])
    })

    it('answers a batch in its order', async () => {
      await queuedRun(store, 'sales')
      const [first, second] = await claimAll()
      if (first === undefined || second === undefined) throw new Error('two claims expected')
      const reports = [outcomeOf(second), { ...outcomeOf(first), claimToken: 'stolen' }, outcomeOf(first)]
      expect(await store.recordOutcomes(reports, NOW)).toEqual(['recorded', 'lost_claim', 'recorded'])
    })

    it('extends the leases that are ours and names the others', async () => {
      const runId = await queuedRun(store, 'sales')
      const [first, second] = await claimAll()
      if (first === undefined || second === undefined) throw new Error('two claims expected')
      await store.recordOutcomes([outcomeOf(second)], NOW)
      const beat = await store.heartbeat(ALIVE, [first, second], { now: NOW + 20_000, leaseMs: LEASE_MS })
      expect(beat.lost.map((claim) => claim.taskId)).toEqual([second.taskId])
      expect(beat.cancel).toEqual([])
      expect(await store.reapExpired(NOW + LEASE_MS + 1)).toEqual([])
      expect(await store.reapExpired(NOW + 20_000 + LEASE_MS + 1)).toEqual([runId])
      expect((await store.workers(NOW + 20_000)).map((worker) => worker.id)).toEqual([WORKER.id])
    })

    it('tells the heartbeat which attempts to stop', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const run = await store.run(runId)
      const change = {
        taskId: 'a',
        expect: { state: 'running' as const, attempt: 1, generation: 1 },
        set: { state: 'running' as const, reason: '', cancelRequested: true },
      }
      await store.applyDecision(
        runId,
        run?.revision ?? -1,
        { tasks: [change], expand: [], run: null, settled: [], stop: [], wakeAt: null },
        NOW,
      )
      const beat = await store.heartbeat(ALIVE, [claim], { now: NOW, leaseMs: LEASE_MS })
      expect(beat.cancel.map((each) => each.taskId)).toEqual(['a'])
    })

    it('reaps a lease that has run out, once, and refuses the late finish', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      expect(await store.nextLeaseEnd()).toBe(NOW + LEASE_MS)
      expect(await store.reapExpired(NOW + LEASE_MS)).toEqual([])
      expect(await store.reapExpired(NOW + LEASE_MS + 1)).toEqual([runId])
      expect(await store.nextLeaseEnd()).toBeNull()
      expect(await store.reapExpired(NOW + LEASE_MS + 1)).toEqual([])
      const [outcome] = (await store.snapshot(runId))?.outcomes ?? []
      expect(outcome).toMatchObject({ taskId: 'a', attempt: 1, result: 'lost', retryable: true })
      expect(outcome?.reason).toContain('worker worker-1 was not heard of since 2026-11-20T05:00:00.000Z')
      expect(await store.recordOutcomes([outcomeOf(claim)], NOW)).toEqual(['lost_claim'])
      const beat = await store.heartbeat(ALIVE, [claim], { now: NOW, leaseMs: LEASE_MS })
      expect(beat.lost).toHaveLength(1)
    })

    it('does not reap an attempt whose outcome is recorded', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      await store.recordOutcomes([outcomeOf(claim)], NOW)
      expect(await store.reapExpired(NOW + 10 * LEASE_MS)).toEqual([])
      expect((await store.snapshot(runId))?.outcomes.map((outcome) => outcome.result)).toEqual(['success'])
    })

    it('takes over every claim of the epochs before', async () => {
      const runId = await queuedRun(store, 'sales')
      const [first, second] = await claimAll()
      if (first === undefined || second === undefined) throw new Error('two claims expected')
      await store.recordOutcomes([outcomeOf(first)], NOW)
      const begun = await store.beginEpoch('Sluice was started anew', NOW)
      expect(begun.runs).toEqual([runId])
      const results = new Map((await store.snapshot(runId))?.outcomes.map((each) => [each.taskId, each.result]))
      expect(results).toEqual(
        new Map([
          [first.taskId, 'success'],
          [second.taskId, 'lost'],
        ]),
      )
      expect(await store.recordOutcomes([outcomeOf(second)], NOW)).toEqual(['lost_claim'])
      expect(await store.currentEpoch()).toBe(begun.epoch)
      const again = await store.beginEpoch('again', NOW)
      expect(again.epoch).toBeGreaterThan(begun.epoch)
      expect(await store.currentEpoch()).toBe(again.epoch)
    })

    it('keeps until when an attempt has deferred its task, and finds the run then', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      await store.recordOutcomes([outcomeOf(claim, { result: 'deferred', wakeAt: NOW + 60_000 })], NOW)
      const snapshot = await store.snapshot(runId)
      expect(snapshot?.outcomes).toMatchObject([{ result: 'deferred', wakeAt: NOW + 60_000 }])
      const before = { state: 'running' as const, attempt: 1, generation: 1 }
      const set = { state: 'deferred' as const, tries: 0, notBefore: NOW + 60_000, reason: 'waits' }
      const decision = {
        ...NO_CHANGE,
        tasks: [{ taskId: 'a', expect: before, set }],
        settled: [{ taskId: 'a', attempt: 1, result: 'deferred' as const }],
      }
      expect(await store.applyDecision(runId, snapshot?.run.revision ?? -1, decision, NOW)).toBe('applied')
      expect(await store.nextRetryAt()).toBe(NOW + 60_000)
      expect(await store.runsToSettle(NOW + 59_999, 10)).toEqual([])
      expect(await store.runsToSettle(NOW + 60_000, 10)).toEqual([runId])
    })

    describe('whose answer was lost', () => {
      const giveBack = (known: string[], { since = NOW, now = NOW + 1000 } = {}) =>
        store.giveBack(WORKER, { since, known, now })

      it('are queued again as if they had never been made', async () => {
        const runId = await queuedRun(store, 'sales', { taskIds: ['a', 'b'] })
        const [known] = await store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 1 })
        const unknown = await claimOne(store, NOW + 5)
        expect(await giveBack([known?.claimToken ?? ''])).toEqual([{ runId, taskId: unknown.taskId, attempt: 1 }])
        const states = new Map((await store.taskRuns(runId)).map((task) => [task.taskId, task]))
        expect(states.get(unknown.taskId)).toMatchObject({
          ...{ state: 'queued', attempt: 1, tries: 1, startedAt: null, since: NOW + 1000 },
          reason: 'waits for a worker of queue default',
        })
        expect(states.get(known?.taskId ?? '')?.state).toBe('running')
        expect(await store.recordOutcomes([outcomeOf(unknown)], NOW)).toEqual(['lost_claim'])
        expect(await store.staleQueued(NOW + 1000, 9)).toEqual([])
        expect(await store.staleQueued(NOW + 1001, 9)).toMatchObject([{ taskId: unknown.taskId }])
        const again = await claimOne(store, NOW + 2000)
        expect(again).toMatchObject({ taskId: unknown.taskId, attempt: 1, tries: 1 })
        expect(await store.recordOutcomes([outcomeOf(again)], NOW)).toEqual(['recorded'])
      })

      it('are those of this worker and this time only', async () => {
        await queuedRun(store, 'sales', { taskIds: ['a'] })
        const claim = await claimOne(store, NOW + 500)
        const worker = { ...WORKER, id: 'another' }
        expect(await store.giveBack(worker, { since: NOW, known: [], now: NOW + 1000 })).toEqual([])
        expect(await store.giveBack({ ...WORKER, epoch: 1 }, { since: NOW, known: [], now: NOW + 1000 })).toEqual([])
        // claimed before the first whose answer was lost, or after this was asked for
        expect(await giveBack([], { since: NOW + 501 })).toEqual([])
        expect(await giveBack([], { now: NOW + 500 })).toEqual([])
        expect(await giveBack([claim.claimToken])).toEqual([])
        await store.recordOutcomes([outcomeOf(claim)], NOW)
        expect(await giveBack([])).toEqual([])
      })

      it('end with their leases where the task is to stop', async () => {
        const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
        await claimOne(store)
        const expected = { state: 'running' as const, attempt: 1, generation: 1 }
        const set = { state: 'running' as const, cancelRequested: true, reason: '' }
        const decision = { ...NO_CHANGE, tasks: [{ taskId: 'a', expect: expected, set }] }
        const revision = (await store.run(runId))?.revision ?? -1
        expect(await store.applyDecision(runId, revision, decision, NOW)).toBe('applied')
        expect(await giveBack([])).toEqual([])
        expect(await store.reapExpired(NOW + LEASE_MS + 1)).toEqual([runId])
      })
    })

    it('is kept by a heartbeat that comes behind a later one', async () => {
      await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const beat = (now: number) => store.heartbeat({ ...ALIVE, heartbeatAt: now }, [claim], { now, leaseMs: LEASE_MS })
      await beat(NOW + 20_000)
      await beat(NOW + 1000)
      expect(await store.nextLeaseEnd()).toBe(NOW + 20_000 + LEASE_MS)
      expect((await store.workers(NOW + 20_000))[0]?.heartbeatAt).toBe(NOW + 20_000)
    })

    it('is shortened again once the clock of its worker has gone back', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const beat = (now: number) => store.heartbeat({ ...ALIVE, heartbeatAt: now }, [claim], { now, leaseMs: LEASE_MS })
      // as far ahead a late message may be behind
      await beat(NOW + SET_BACK_MS)
      await beat(NOW)
      expect(await store.nextLeaseEnd()).toBe(NOW + SET_BACK_MS + LEASE_MS)
      await beat(NOW + 3_600_000)
      await beat(NOW + 1000)
      expect(await store.nextLeaseEnd()).toBe(NOW + 1000 + LEASE_MS)
      expect((await store.workers(NOW + 1000))[0]?.heartbeatAt).toBe(NOW + 1000)
      expect(await store.reapExpired(NOW + 1001 + LEASE_MS)).toEqual([runId])
    })

    it('keeps the handle of outside work for the next attempt', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      expect(await store.saveHandle(claim, { query: 'q1' }, NOW)).toBe('saved')
      expect(await store.saveHandle({ ...claim, claimToken: 'stolen' }, { query: 'q2' }, NOW)).toBe('lost_claim')
      expect(await store.saveProgress(claim, { done: 1 }, NOW)).toBe('saved')
      await store.reapExpired(NOW + LEASE_MS + 1)
      expect(await store.saveHandle(claim, { query: 'q3' }, NOW)).toBe('lost_claim')
      const run = await store.run(runId)
      const again = {
        taskId: 'a',
        expect: { state: 'running' as const, attempt: 1, generation: 1 },
        set: { state: 'scheduled' as const, reason: '' },
      }
      const settled = [{ taskId: 'a', attempt: 1, result: 'lost' as const }]
      await store.applyDecision(
        runId,
        run?.revision ?? -1,
        { tasks: [again], expand: [], run: null, settled, stop: [], wakeAt: null },
        NOW,
      )
      await store.queueReady(NOW, 10)
      expect(await claimOne(store)).toMatchObject({ attempt: 2, tries: 2, handle: { query: 'q1' } })
    })

    it('finds the last attempt that ended well with the same inputs, while it stands', async () => {
      const write = { table: 'silver.orders', version: 4, versionBefore: 3, operation: 'append' }
      const counts = { rowsAdded: 9, rowsUpdated: 0, rowsRemoved: 0, rowsTotal: 9, bytes: 1, committedAt: NOW }
      const reads = [{ table: 'bronze.orders', version: 3, rows: 10 }]
      const facts = { ...NO_FACTS, reads, writes: [{ ...write, ...counts }], inputKey: 'same' }
      const first = await queuedRun(store, 'sales', { taskIds: ['a'], maxActiveRuns: 9 })
      const claim = await claimOne(store)
      await store.recordOutcomes([{ ...outcomeOf(claim, { outputs: { rows: 9 } }), facts }], NOW)
      expect(await store.doneBefore('same')).toBeNull()
      await moveTasks(store, first, 'success')
      const found = { runId: first, taskId: 'a', attempt: 1, outputs: { rows: 9 }, reads }
      expect(await store.doneBefore('same')).toEqual({ ...found, writes: [{ table: 'silver.orders', version: 4 }] })
      expect(await store.doneBefore('another')).toBeNull()

      // one that failed is none, a later one goes first
      const second = await queuedRun(store, 'sales', { taskIds: ['a'], maxActiveRuns: 9, dueAt: NOW + 1 })
      const failed = { ...outcomeOf(await claimOne(store), { result: 'failed', endedAt: NOW + 2000 }), facts }
      await store.recordOutcomes([failed], NOW)
      await moveTasks(store, second, 'failed')
      expect((await store.doneBefore('same'))?.runId).toBe(first)
      const third = await queuedRun(store, 'sales', { taskIds: ['a'], maxActiveRuns: 9, dueAt: NOW + 2 })
      const plain = { ...NO_FACTS, inputKey: 'same' }
      await store.recordOutcomes([{ ...outcomeOf(await claimOne(store), { endedAt: NOW + 3000 }), facts: plain }], NOW)
      await moveTasks(store, third, 'success')
      expect(await store.doneBefore('same')).toMatchObject({ runId: third, reads: [], writes: [] })

      // marked as failed, or cleared: what it did does not count any more
      await moveTasks(store, third, 'failed')
      expect((await store.doneBefore('same'))?.runId).toBe(first)
      await moveTasks(store, first, 'none')
      expect(await store.doneBefore('same')).toBeNull()
    })

    it('keeps what an attempt read, wrote and checked', async () => {
      const runId = await queuedRun(store, 'sales', { taskIds: ['a'] })
      const claim = await claimOne(store)
      const facts = {
        ...NO_FACTS,
        reads: [{ table: 'bronze.orders', version: 3, rows: 10 }],
        writes: [
          {
            table: 'silver.orders',
            versionBefore: null,
            version: 0,
            operation: 'overwrite',
            rowsAdded: 9,
            rowsUpdated: 0,
            rowsRemoved: 0,
            rowsTotal: 9,
            bytes: 1234,
            committedAt: NOW + 500,
          },
        ],
        checks: [
          {
            name: 'row_count >= 1',
            kind: 'row_count',
            table: 'silver.orders',
            severity: 'error' as const,
            passed: true,
            failingRows: 0,
            measured: { rows: 9 },
            sample: [],
            message: '',
          },
        ],
      }
      await store.recordOutcomes([{ ...outcomeOf(claim), facts }], NOW)
      const { reads, writes, checks } = facts
      expect(await store.runLineage(runId)).toEqual([{ taskId: 'a', attempt: 1, reads, writes, checks }])
    })
  })
}
