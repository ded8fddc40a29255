import type { Instant } from '../../../json.js'
import { SET_BACK_MS } from '../../../scheduler/store/set-back.js'
import type { ClaimRef, ClaimStore, EarlierAttempt } from '../../../scheduler/store/store.js'
import { queueReady } from './queueing.js'
import { type AttemptRow, byInstant, type RunRow, type Tables, type TaskRow } from './tables.js'
import { tablesWritten } from './triggers.js'

export function claimStore(tables: Tables): ClaimStore {
  return {
    async queueReady(now, limit, tell = true) {
      return queueReady(tables, { now, limit, tell })
    },
    async staleQueued(before, limit) {
      const stale = queuedTasks(tables).filter(({ row }) => row.task.since < before)
      return stale.slice(0, limit).map(({ row }) => ({
        runId: row.runId,
        taskId: row.task.taskId,
        attempt: row.task.attempt,
        queue: row.queue,
        priority: row.priority,
      }))
    },
    async claim(worker, options) {
      return claim(tables, worker, options)
    },
    async giveBack(worker, options) {
      return giveBack(tables, worker, options)
    },
    async heartbeat(worker, claims, { now, leaseMs }) {
      const heardAt = tables.workers.get(worker.id)?.heartbeatAt ?? now
      tables.workers.set(worker.id, { ...worker, heartbeatAt: notBehind(heardAt, now) })
      const lost: ClaimRef[] = []
      const cancel: ClaimRef[] = []
      for (const ref of claims) {
        const row = ours(tables, ref)
        if (row === null) {
          lost.push(ref)
          continue
        }
        if (row.claim !== null)
          row.claim = { ...row.claim, leaseUntil: notBehind(row.claim.leaseUntil ?? 0, now + leaseMs) }
        if (row.task.cancelRequested) cancel.push(ref)
      }
      return { lost, cancel, epochOver: worker.epoch < tables.epoch }
    },
    async recordOutcomes(outcomes, now) {
      return outcomes.map((recorded) => recordOutcome(tables, recorded, now))
    },
    async doneBefore(inputKey) {
      return doneBefore(tables, inputKey)
    },
    async saveHandle(ref, handle) {
      const row = ours(tables, ref)
      if (row === null) return 'lost_claim'
      row.handle = handle
      return 'saved'
    },
    async saveProgress(ref, progress) {
      const row = ours(tables, ref)
      if (row === null) return 'lost_claim'
      row.progress = progress
      return 'saved'
    },
    async reapExpired(now) {
      const expired = (row: TaskRow) => (row.claim?.leaseUntil ?? now) < now || !tables.guards('lease_check')
      return lose(tables, now, (row, attempt) => (expired(row) ? silence(tables, attempt) : null))
    },
    async nextLeaseEnd() {
      const rows = [...tables.activeRuns()].flatMap((run) => [...run.tasks.values()])
      const ends = rows.flatMap(({ claim }) => claim?.leaseUntil ?? [])
      return ends.length === 0 ? null : Math.min(...ends)
    },
    async beginEpoch(reason, now) {
      tables.epoch += 1
      const older = (row: TaskRow) =>
        row.claim !== null && row.claim.epoch < tables.epoch && tables.guards('epoch_takeover')
      return { epoch: tables.epoch, runs: lose(tables, now, (row) => (older(row) ? reason : null)) }
    },
    async currentEpoch() {
      return tables.epoch
    },
    async removeWorker(workerId) {
      if (tables.guards('signed_off')) tables.workers.delete(workerId)
    },
    async workers() {
      return [...tables.workers.values()]
    },
  }
}

function queuedTasks(tables: Tables): { run: RunRow; row: TaskRow }[] {
  const queued = [...tables.activeRuns()].flatMap((run) =>
    [...run.tasks.values()]
      .filter(({ task: { state } }) => state === 'queued' || (state === 'running' && !tables.guards('queued_only')))
      .map((row) => ({ run, row })),
  )
  const inOrder = byInstant<{ row: TaskRow }>(
    ({ row }) => row.task.since,
    ({ row }) => `${row.runId}/${row.task.taskId}`,
  )
  return queued.sort((a, b) => b.row.priority - a.row.priority || inOrder(a, b))
}

/** Of equal priority, the DAG with the fewest running tasks goes first. */
function inTurns(tables: Tables, queued: { run: RunRow; row: TaskRow }[]): { run: RunRow; row: TaskRow }[] {
  const places = new Map<string, number>()
  for (const { run, tasks } of tables.activeRuns()) {
    const running = [...tasks.values()].filter(({ task }) => task.state === 'running').length
    places.set(run.dagId, (places.get(run.dagId) ?? 0) + running)
  }
  const ranked = queued.map((one) => {
    const turn = (places.get(one.run.run.dagId) ?? 0) + 1
    places.set(one.run.run.dagId, turn)
    return { one, turn }
  })
  // the sort keeps the order of the queue among equals
  return ranked.sort((a, b) => b.one.row.priority - a.one.row.priority || a.turn - b.turn).map(({ one }) => one)
}

function claim(
  tables: Tables,
  worker: Parameters<ClaimStore['claim']>[0],
  { now, leaseMs, limit }: Parameters<ClaimStore['claim']>[1],
): Awaited<ReturnType<ClaimStore['claim']>> {
  if (worker.epoch < tables.epoch && tables.guards('epoch_claim')) return []
  const taken = inTurns(
    tables,
    queuedTasks(tables).filter(({ row }) => worker.queues.includes(row.queue)),
  )
  return taken.slice(0, limit).map(({ run: { run }, row }) => {
    const token = tables.newToken()
    const { taskId, attempt, tries, generation } = row.task
    const claimedAt = Math.max(now, row.task.since)
    row.task = { ...row.task, state: 'running', since: claimedAt, startedAt: claimedAt, endedAt: null, reason: '' }
    row.claim = { token, workerId: worker.id, epoch: worker.epoch, leaseUntil: now + leaseMs }
    tables.addAttempt({
      runId: run.id,
      taskId,
      attempt,
      generation,
      token,
      workerId: worker.id,
      epoch: worker.epoch,
      claimedAt,
      outcome: null,
      settled: false,
      facts: null,
    })
    return {
      runId: run.id,
      dagId: run.dagId,
      version: run.version,
      taskId,
      attempt,
      tries,
      generation,
      claimToken: token,
      leaseUntil: now + leaseMs,
      dueAt: run.dueAt,
      intervalStart: run.intervalStart,
      intervalEnd: run.intervalEnd,
      params: run.params,
      triggeredBy: run.triggeredBy,
      trigger: run.trigger,
      noChecks: run.noChecks,
      handle: row.handle,
      woken: row.woken,
      item: row.item,
      claimedAt,
    }
  })
}

function giveBack(
  tables: Tables,
  worker: Parameters<ClaimStore['giveBack']>[0],
  { since, known, now }: Parameters<ClaimStore['giveBack']>[1],
): Awaited<ReturnType<ClaimStore['giveBack']>> {
  const within = ({ startedAt }: TaskRow['task']) => startedAt !== null && startedAt >= since && startedAt < now
  const unknown = ({ task, claim }: TaskRow) =>
    claim !== null &&
    claim.leaseUntil !== null &&
    !(known.includes(claim.token) && tables.guards('given_back')) &&
    within(task)
  const given = []
  for (const run of tables.activeRuns()) {
    for (const row of run.tasks.values()) {
      const { state, cancelRequested, taskId, attempt } = row.task
      if (state !== 'running' || cancelRequested || !unknown(row)) continue
      if (row.claim?.workerId !== worker.id || row.claim.epoch !== worker.epoch) continue
      const reason = `waits for a worker of queue ${row.queue}`
      row.task = { ...row.task, state: 'queued', since: now, startedAt: null, reason }
      row.claim = null
      tables.removeAttempt(row.runId, taskId, attempt)
      given.push({ runId: row.runId, taskId, attempt })
    }
  }
  return given
}

/** What is so far ahead was set by a wrong clock. */
function notBehind(kept: Instant, coming: Instant): Instant {
  const wrong = kept - coming > SET_BACK_MS
  return wrong || kept < coming ? coming : kept
}

/** the task's row while this claim is the one in force and its outcome is not known yet */
function ours(tables: Tables, ref: ClaimRef): TaskRow | null {
  const row = tables.task(ref.runId, ref.taskId)
  if (row === undefined || row.claim === null || row.task.state !== 'running') return null
  const tokenFits = row.claim.token === ref.claimToken || !tables.guards('claim_token')
  const outcome = tables.attempt(ref.runId, ref.taskId, row.task.attempt)?.outcome ?? null
  return tokenFits && outcome === null ? row : null
}

function recordOutcome(
  tables: Tables,
  recorded: Parameters<ClaimStore['recordOutcomes']>[0][number],
  now: Instant,
): 'recorded' | 'lost_claim' {
  const row = ours(tables, recorded)
  const asked = tables.attempt(recorded.runId, recorded.taskId, recorded.attempt)
  // without the token any report counts for whatever attempt the task runs now
  const attempt = tables.guards('claim_token') ? asked : currentAttempt(tables, recorded)
  if (attempt === undefined || (attempt.token !== recorded.claimToken && tables.guards('claim_token'))) {
    return 'lost_claim'
  }
  if (row === null && tables.guards('late_finish')) {
    return attempt.outcome?.result === recorded.outcome.result ? 'recorded' : 'lost_claim'
  }
  const retryable = recorded.outcome.retryable || !tables.guards('outcome_final')
  const reason = tables.guards('outcome_reason') ? recorded.outcome.reason : ''
  const checks = tables.guards('checks_kept') ? {} : { failedChecks: [] }
  attempt.outcome = { ...recorded.outcome, ...checks, reason, retryable, attempt: attempt.attempt }
  attempt.settled = false
  attempt.facts = recorded.facts
  const { startedAt = 0 } = recorded.outcome
  attempt.claimedAt = Math.max(attempt.claimedAt, startedAt)
  if (row?.claim != null) {
    row.claim = { ...row.claim, leaseUntil: null }
    row.task = { ...row.task, startedAt: Math.max(row.task.startedAt ?? 0, startedAt) }
  }
  tablesWritten(tables, recorded.runId, recorded.facts.writes, now)
  return 'recorded'
}

function doneBefore(tables: Tables, inputKey: string): EarlierAttempt | null {
  const standing = ({ runId, taskId, attempt, generation, outcome, facts }: AttemptRow) => {
    const task = tables.task(runId, taskId)?.task
    const isLast = task?.state === 'success' && task.attempt === attempt && task.generation === generation
    const stands = isLast || !tables.guards('done_stands')
    return facts?.inputKey === inputKey && outcome?.result === 'success' && stands
  }
  const found = [...tables.attempts.values()].flatMap((rows) => [...rows.values()].filter(standing))
  const inOrder = byInstant<AttemptRow>(
    ({ outcome }) => outcome?.endedAt ?? 0,
    ({ runId, taskId }) => `${runId}/${taskId}`,
  )
  const last = found.sort(inOrder).at(-1)
  if (last === undefined) return null
  const { runId, taskId, attempt, outcome, facts } = last
  const writes = (facts?.writes ?? []).map(({ table, version }) => ({ table, version }))
  return { runId, taskId, attempt, outputs: outcome?.outputs ?? {}, reads: facts?.reads ?? [], writes }
}

function currentAttempt(tables: Tables, { runId, taskId }: ClaimRef): AttemptRow | undefined {
  return tables.attempt(runId, taskId, tables.task(runId, taskId)?.task.attempt ?? 0)
}

function silence(tables: Tables, { workerId, claimedAt }: AttemptRow): string {
  const heardOf = tables.workers.get(workerId)?.heartbeatAt ?? claimedAt
  return `worker ${workerId} was not heard of since ${new Date(heardOf).toISOString()}`
}

/** gives running attempts without an outcome the outcome `lost`, where `why` has a reason */
function lose(tables: Tables, now: Instant, why: (row: TaskRow, attempt: AttemptRow) => string | null): string[] {
  const runs = new Set<string>()
  for (const run of tables.activeRuns()) {
    for (const row of run.tasks.values()) {
      const { taskId, attempt, state } = row.task
      const claimed = tables.attempt(row.runId, taskId, attempt)
      if (state !== 'running' || row.claim === null || claimed === undefined || claimed.outcome !== null) continue
      const reason = why(row, claimed)
      if (reason === null) continue
      claimed.outcome = { taskId, attempt, result: 'lost', reason, retryable: true, outputs: {}, endedAt: now }
      row.claim = { ...row.claim, leaseUntil: null }
      runs.add(row.runId)
    }
  }
  return [...runs]
}
