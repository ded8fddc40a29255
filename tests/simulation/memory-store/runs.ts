import type { Instant } from '../../../json.js'
import type { Run, RunSnapshot, TaskRun } from '../../../scheduler/core/model.js'
import type { DueAdvance, NewRun, RunStore } from '../../../scheduler/store/store.js'
import { applyDecision } from './decisions.js'
import { insertSlas, makeSlasDue } from './slas.js'
import { byInstant, type RunRow, type Tables } from './tables.js'

export function runStore(tables: Tables): RunStore {
  return {
    async advanceDue(advances, now) {
      return advances.map((advance) => advanceDue(tables, advance, now))
    },
    async createRun(run, options) {
      return createRun(tables, run, options)
    },
    async startRuns(now, limit) {
      return startRuns(tables, now, limit)
    },
    async run(runId) {
      return tables.runs.get(runId)?.run ?? null
    },
    async taskRuns(runId) {
      return taskRuns(tables.runs.get(runId))
    },
    async outputsOf(runId, tasks) {
      const rows = taskRuns(tables.runs.get(runId)).filter(({ taskId }) => tasks.includes(taskId))
      return Object.fromEntries(rows.map(({ taskId, outputs }) => [taskId, outputs]))
    },
    async snapshot(runId) {
      return snapshot(tables, runId)
    },
    async applyDecision(runId, revision, decision, now) {
      return applyDecision(tables, runId, revision, decision, now)
    },
    async runsToSettle(now, limit) {
      const runs = [...tables.runs.values()].filter((row) => needsSettling(tables, row, now))
      return runs.slice(0, limit).map(({ run }) => run.id)
    },
    async nextRetryAt() {
      let next: Instant | null = null
      for (const row of tables.activeRuns()) {
        for (const { task } of row.tasks.values()) {
          if (!['up_for_retry', 'deferred'].includes(task.state) || task.notBefore === null) continue
          next = Math.min(next ?? task.notBefore, task.notBefore)
        }
      }
      return next
    },
  }
}

function advanceDue(
  tables: Tables,
  { dagId, expect, nextDueAt, runs }: DueAdvance,
  now: Instant,
): Awaited<ReturnType<RunStore['advanceDue']>>[number] {
  const dag = tables.dags.get(dagId)
  if (dag === undefined || (dag.nextDueAt !== expect && tables.guards('tick_expect'))) return { outcome: 'tick_moved' }
  if (tables.guards('tick_advance')) tables.dags.set(dagId, { ...dag, nextDueAt })
  return { outcome: 'advanced', created: runs.flatMap((run) => insertRun(tables, run, now) ?? []) }
}

function createRun(
  tables: Tables,
  run: NewRun,
  options: Parameters<RunStore['createRun']>[1],
): Awaited<ReturnType<RunStore['createRun']>> {
  const { now, idempotency } = options
  const used = idempotency === undefined ? undefined : tables.keys.get(idempotency.key)
  if (used !== undefined && tables.guards('idempotency')) {
    if (used.requestHash !== idempotency?.requestHash) return { outcome: 'key_conflict' }
    return { outcome: 'repeated', runId: used.runId }
  }
  const id = insertRun(tables, run, now)
  if (id === null) return { outcome: 'exists', runId: twinOf(tables, run)?.run.id ?? run.id }
  if (idempotency !== undefined) tables.keys.set(idempotency.key, { requestHash: idempotency.requestHash, runId: id })
  return { outcome: 'created' }
}

function twinOf(tables: Tables, run: NewRun, backfillId: number | null = null): RunRow | undefined {
  return [...tables.runs.values()].find(
    (row) =>
      row.run.id === run.id ||
      (row.run.dagId === run.dagId &&
        row.run.dueAt === run.dueAt &&
        row.run.kind === run.kind &&
        row.backfillId === backfillId),
  )
}

/** @returns the id of the row; null when the run is there already */
export function insertRun(tables: Tables, run: NewRun, now: Instant, backfillId: number | null = null): string | null {
  if (twinOf(tables, run, backfillId) !== undefined && tables.guards('unique_run')) return null
  let id = run.id
  while (tables.runs.has(id)) id += '-again'
  tables.runs.set(id, { ...newRow({ ...run, id }, now), backfillId })
  insertSlas(tables, id, run.dagId, run.slas, now)
  return id
}

function newRow(run: NewRun, now: Instant): RunRow {
  const { tasks, slas: _, maxActiveRuns, maxActiveTasks, ...declared } = run
  return {
    run: {
      ...declared,
      trigger: declared.trigger ?? null,
      state: 'queued',
      revision: 0,
      createdAt: now,
      startedAt: null,
      endedAt: null,
      reason: '',
      cancelRequested: false,
    } satisfies Run,
    backfillId: null,
    maxActiveRuns,
    maxActiveTasks,
    tasks: new Map(
      tasks.map(({ taskId, pool, queue, priority }) => [
        taskId,
        {
          runId: run.id,
          dagId: run.dagId,
          pool,
          queue,
          priority,
          task: newTask(taskId, now),
          claim: null,
          handle: null,
          woken: null,
          item: null,
          progress: null,
        },
      ]),
    ),
  }
}

function newTask(taskId: string, now: Instant): TaskRun {
  return {
    taskId,
    state: 'none',
    attempt: 0,
    tries: 0,
    generation: 1,
    notBefore: null,
    since: now,
    startedAt: null,
    endedAt: null,
    reason: 'waits for the run to start',
    cancelRequested: false,
    outputs: {},
  }
}

function startRuns(tables: Tables, now: Instant, limit: number): string[] {
  const running = new Map<string, number>()
  const queued: RunRow[] = []
  for (const row of tables.activeRuns()) {
    if (row.run.state === 'running') running.set(row.run.dagId, (running.get(row.run.dagId) ?? 0) + 1)
    else queued.push(row)
  }
  const started: string[] = []
  queued.sort((a, b) => Number(a.run.kind === 'backfill') - Number(b.run.kind === 'backfill') || earliest(a, b))
  for (const row of queued) {
    if (started.length === limit) break
    const { dagId } = row.run
    const active = running.get(dagId) ?? 0
    const reason = startBlocked(tables, row, active)
    if (reason !== '') {
      row.run = { ...row.run, reason }
      continue
    }
    row.run = { ...row.run, state: 'running', startedAt: now, reason: '', revision: row.run.revision + 1 }
    running.set(dagId, active + 1)
    started.push(row.run.id)
    makeSlasDue(tables, ({ runId, deadlineAt }) => runId === row.run.id && deadlineAt === null, now)
  }
  return started
}

const earliest = byInstant<RunRow>(
  ({ run }) => run.dueAt,
  ({ run }) => run.id,
)

function startBlocked(tables: Tables, row: RunRow, active: number): string {
  const { dagId, kind } = row.run
  if (kind !== 'manual' && tables.dags.get(dagId)?.paused === true) return `waits: ${dagId} is paused`
  const backfill = tables.backfills.get(row.backfillId ?? 0)?.state
  if (backfill === 'paused') return `waits: backfill ${row.backfillId} is paused`
  if (active >= row.maxActiveRuns && tables.guards('max_active_runs')) {
    return `waits: ${active} of ${row.maxActiveRuns} runs of ${dagId} are active`
  }
  return ''
}

function taskRuns(row: RunRow | undefined): TaskRun[] {
  return [...(row?.tasks.values() ?? [])].map(({ task }) => task)
}

function snapshot(tables: Tables, runId: string): RunSnapshot | null {
  const row = tables.runs.get(runId)
  const dag = row === undefined ? undefined : tables.versions.get(row.run.version)
  if (row === undefined || dag === undefined) return null
  const outcomes = tables.unsettled(runId).flatMap(({ outcome }) => outcome ?? [])
  return { run: row.run, dag, tasks: taskRuns(row), outcomes }
}

const MOVING = new Set(['scheduled', 'queued', 'running', 'up_for_retry'])

function needsSettling(tables: Tables, row: RunRow, now: Instant): boolean {
  if (tables.unsettled(row.run.id).length > 0) return true
  if (row.run.state !== 'running') return false
  const tasks = taskRuns(row)
  const moves = ({ state, attempt }: TaskRun) => MOVING.has(state) || (state === 'deferred' && attempt > 0)
  if (!tasks.some(moves)) return true
  const waits = ({ state }: TaskRun) => state === 'up_for_retry' || state === 'deferred'
  return tasks.some((task) => waits(task) && task.notBefore !== null && task.notBefore <= now)
}
