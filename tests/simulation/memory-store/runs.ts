import type { Instant } from '../../../json.js'
import type { ItemsAside, PastRun, Run, RunSnapshot, TaskRun } from '../../../scheduler/core/model.js'
import { PAST_REASONS } from '../../../scheduler/core/past.js'
import { dagOfRun } from '../../../scheduler/core/run-id.js'
import { isFinal } from '../../../scheduler/core/states.js'
import { FIRST_TURN, type SettleTurn } from '../../../scheduler/store/settle-turn.js'
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
    async runOfKey(key) {
      return tables.keys.get(key) ?? null
    },
    async startRuns(now, limit, told = 'first') {
      return startRuns(tables, now, limit, told === 'all' ? Number.POSITIVE_INFINITY : TOLD_FIRST)
    },
    async cancelOverlapping() {
      return tables.guards('overlap') ? cancelOverlapping(tables) : []
    },
    async nextRun(runId) {
      const later = streamOf(tables, runId).filter(({ run }) => run.state === 'running')
      const own = tables.runs.get(runId)?.run.dueAt ?? 0
      return later.find(({ run }) => run.dueAt > own)?.run.id ?? null
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
    async snapshot(runId, shownItems) {
      return snapshot(tables, runId, shownItems ?? Number.POSITIVE_INFINITY)
    },
    async applyDecision(runId, revision, decision, now) {
      return applyDecision(tables, runId, revision, decision, now)
    },
    async runsToSettle(now, limit, turn = FIRST_TURN) {
      const found = [...tables.runs.values()].filter((row) => needsSettling(tables, row, now))
      return inTurns(
        found.map(({ run }) => run.id),
        turn,
      ).slice(0, limit)
    },
    async nextRetryAt() {
      let next: Instant | null = null
      for (const row of tables.activeRuns()) {
        for (const { task } of row.tasks.values()) {
          if (!['up_for_retry', 'deferred'].includes(task.state) || task.notBefore === null) continue
          next = Math.min(next ?? task.notBefore, task.notBefore)
        }
        const end = timesOutAt(row)
        if (end !== null) next = Math.min(next ?? end, end)
      }
      return next
    },
  }
}

function advanceDue(
  tables: Tables,
  { dagId, version, expect, nextDueAt, runs }: DueAdvance,
  now: Instant,
): Awaited<ReturnType<RunStore['advanceDue']>>[number] {
  const dag = tables.dags.get(dagId)
  if (dag === undefined || (dag.nextDueAt !== expect && tables.guards('tick_expect'))) return { outcome: 'tick_moved' }
  if (dag.version !== version && tables.guards('tick_version')) return { outcome: 'tick_moved' }
  if (tables.guards('tick_advance')) tables.dags.set(dagId, { ...dag, nextDueAt })
  return { outcome: 'advanced', created: runs.flatMap((run) => insertRun(tables, run, now) ?? []) }
}

function createRun(
  tables: Tables,
  run: NewRun,
  options: Parameters<RunStore['createRun']>[1],
): Awaited<ReturnType<RunStore['createRun']>> {
  const { now, idempotency, audit } = options
  const used = idempotency === undefined ? undefined : tables.keys.get(idempotency.key)
  if (used !== undefined && tables.guards('idempotency')) {
    if (used.requestHash !== idempotency?.requestHash) return { outcome: 'key_conflict' }
    return { outcome: 'repeated', runId: used.runId }
  }
  const id = insertRun(tables, run, now)
  if (id === null) return { outcome: 'exists', runId: twinOf(tables, run)?.run.id ?? run.id }
  if (idempotency !== undefined) tables.keys.set(idempotency.key, { requestHash: idempotency.requestHash, runId: id })
  if (audit !== undefined) tables.audit.push({ ...audit, at: now })
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
  const { tasks, slas: _, maxActiveRuns, maxActiveTasks, overlap, dependsOnPast, runTimeoutMs, ...declared } = run
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
      timedOut: false,
      unsettled: false,
    } satisfies Run,
    backfillId: null,
    maxActiveRuns,
    maxActiveTasks,
    overlap,
    dependsOnPast,
    runTimeoutMs,
    tasks: new Map(
      tasks.map(({ taskId, pool, poolSlots = 1, queue, priority }) => [
        taskId,
        {
          runId: run.id,
          dagId: run.dagId,
          pool,
          poolSlots,
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

/** of a DAG's runs with one limit */
const TOLD_FIRST = 100

function startRuns(tables: Tables, now: Instant, limit: number, toldOfEach: number): string[] {
  const running = new Map<string, number>()
  const queued: RunRow[] = []
  for (const row of tables.activeRuns()) {
    if (row.run.state === 'running') running.set(row.run.dagId, (running.get(row.run.dagId) ?? 0) + 1)
    else queued.push(row)
  }
  const started: string[] = []
  queued.sort((a, b) => Number(a.run.kind === 'backfill') - Number(b.run.kind === 'backfill') || earliest(a, b))
  // as they were before this step: what it starts lets others go in the next
  const held = new Map(queued.map((row) => [row, heldBy(tables, row)]))
  const inLine = new Map<string, number>()
  for (const row of queued) {
    if (started.length === limit) break
    const { dagId } = row.run
    const line = `${dagId} ${row.maxActiveRuns}`
    const place = (inLine.get(line) ?? 0) + 1
    inLine.set(line, place)
    const active = running.get(dagId) ?? 0
    if (row.run.cancelRequested) continue
    const reason = startBlocked(tables, row, active, held.get(row) ?? null)
    if (reason !== '') {
      if (place <= toldOfEach) row.run = { ...row.run, reason }
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

function startBlocked(tables: Tables, row: RunRow, active: number, held: string | null): string {
  const { dagId, kind } = row.run
  if (kind !== 'manual' && tables.dags.get(dagId)?.paused === true) return `waits: ${dagId} is paused`
  const backfill = tables.backfills.get(row.backfillId ?? 0)?.state
  if (backfill === 'paused') return `waits: backfill ${row.backfillId} is paused`
  if (held !== null && tables.guards('past_of_run')) return `waits: depends on the past, ${held}`
  if (active >= row.maxActiveRuns && tables.guards('max_active_runs')) {
    return `waits: ${active} of ${row.maxActiveRuns} runs of ${dagId} are active`
  }
  return ''
}

/** The runs that follow each other with this one, the earliest due first: none for one by hand. */
function streamOf(tables: Tables, runId: string): RunRow[] {
  const own = tables.runs.get(runId)
  if (own === undefined || own.run.kind === 'manual') return []
  const { dagId, kind } = own.run
  return [...tables.runs.values()]
    .filter(({ run, backfillId }) => run.dagId === dagId && run.kind === kind && backfillId === own.backfillId)
    .sort(earliest)
}

function heldBy(tables: Tables, row: RunRow): string | null {
  if (row.dependsOnPast === 'no') return null
  const before = streamOf(tables, row.run.id).findLast(
    ({ run }) => run.dueAt < row.run.dueAt && (run.state !== 'running' || row.dependsOnPast === 'run'),
  )
  return before === undefined || before.run.state === 'success'
    ? null
    : `${before.run.id} ${before.run.state === 'queued' ? 'waits itself' : `is ${before.run.state}`}`
}

function pastRun(tables: Tables, row: RunRow): PastRun | null {
  if (row.dependsOnPast === 'no' || !tables.guards('past_of_task')) return null
  const before = streamOf(tables, row.run.id).findLast(({ run }) => run.dueAt < row.run.dueAt)
  if (before === undefined) return null
  const tasks = taskRuns(before).filter(({ taskId }) => !taskId.includes('.'))
  const states = Object.fromEntries(tasks.map(({ taskId, state }) => [taskId, state]))
  return { runId: before.run.id, state: before.run.state, tasks: states }
}

function timesOutAt({ run, runTimeoutMs }: RunRow): Instant | null {
  if (runTimeoutMs === null || run.startedAt === null) return null
  return run.state === 'running' && !run.cancelRequested ? run.startedAt + runTimeoutMs : null
}

function cancelOverlapping(tables: Tables): string[] {
  const asked: string[] = []
  const ask = (row: RunRow, reason: string) => {
    if (row.run.cancelRequested) return
    row.run = { ...row.run, cancelRequested: true, reason, revision: row.run.revision + 1 }
    asked.push(row.run.id)
  }
  for (const dagId of new Set([...tables.activeRuns()].map(({ run }) => run.dagId))) {
    if (tables.dags.get(dagId)?.paused === true) continue
    const rows = [...tables.activeRuns()].filter(({ run }) => run.dagId === dagId).sort(earliest)
    const running = rows.filter(({ run }) => run.state === 'running')
    const late = rows.filter(
      ({ run, overlap, maxActiveRuns }) =>
        overlap !== 'queue' &&
        run.state === 'queued' &&
        run.kind === 'scheduled' &&
        run.revision === 0 &&
        running.length >= maxActiveRuns,
    )
    const newest = late.at(-1)
    for (const row of late) {
      if (row.overlap === 'skip')
        ask(row, `skipped: ${running.length} of ${row.maxActiveRuns} runs of ${dagId} were active`)
      else if (row !== newest) ask(row, `skipped: ${newest?.run.id} was due before it could start`)
    }
    if (newest?.overlap !== 'cancel_running' || running.some(({ run }) => run.cancelRequested)) continue
    const oldest = running.find(({ run }) => run.kind === 'scheduled')
    if (oldest !== undefined) ask(oldest, `cancelled: ${newest.run.id} is due`)
  }
  return asked
}

function taskRuns(row: RunRow | undefined): TaskRun[] {
  return [...(row?.tasks.values() ?? [])].map(({ task }) => task)
}

function snapshot(tables: Tables, runId: string, shownItems: number): RunSnapshot | null {
  const row = tables.runs.get(runId)
  const dag = row === undefined ? undefined : tables.versions.get(row.run.version)
  if (row === undefined || dag === undefined) return null
  const outcomes = tables.unsettled(runId).flatMap(({ outcome }) => outcome ?? [])
  const tasks: TaskRun[] = []
  const aside: Record<string, ItemsAside> = {}
  const rows = taskRuns(row)
  for (const task of rows) {
    const group = task.taskId
    if (group.includes('.')) continue
    const own = rows.filter(({ taskId }) => taskId.startsWith(`${group}.`))
    tasks.push(task)
    if (own.length <= shownItems) {
      tasks.push(...own)
      continue
    }
    const ended = own.filter(({ state }) => ENDED.has(state))
    const waiting = own.filter(({ state }) => state === 'none')
    const atWork = own.filter((task) => !ended.includes(task) && !waiting.includes(task))
    const failed = ended.filter(({ state }) => state === 'failed' || state === 'cancelled').length
    tasks.push(...atWork, ...waiting.slice(0, shownItems))
    if (!tables.guards('items_aside')) continue
    aside[group] = { ended: ended.length, failed, waiting: Math.max(0, waiting.length - shownItems) }
  }
  return { run: row.run, dag, tasks, outcomes, aside, past: pastRun(tables, row) }
}

const ENDED = new Set(['success', 'failed', 'skipped', 'upstream_failed', 'cancelled'])

const MOVING = new Set(['scheduled', 'queued', 'running', 'up_for_retry'])

function needsSettling(tables: Tables, row: RunRow, now: Instant): boolean {
  if (tables.unsettled(row.run.id).length > 0) return true
  if (row.run.cancelRequested && (row.run.state === 'queued' || row.run.state === 'running')) return true
  if (row.run.state !== 'running') return false
  const end = timesOutAt(row)
  if (end !== null && end <= now) return true
  if (row.run.unsettled || (tables.guards('past_found') && waitsForPastInVain(tables, row))) return true
  const tasks = taskRuns(row)
  const moves = ({ state, attempt }: TaskRun) => MOVING.has(state) || (state === 'deferred' && attempt > 0)
  if (!tasks.some(moves) && (row.dependsOnPast === 'no' || !tasks.some(saysPast))) return true
  const waits = ({ state }: TaskRun) => state === 'up_for_retry' || state === 'deferred'
  return tasks.some((task) => waits(task) && task.notBefore !== null && task.notBefore <= now)
}

function saysPast({ taskId, state, reason }: Pick<TaskRun, 'taskId' | 'state' | 'reason'>): boolean {
  return state === 'none' && PAST_REASONS.some((begin) => reason.startsWith(`${begin} ${taskId} of `))
}

function inTurns(found: readonly string[], { runs, dag }: SettleTurn): string[] {
  const behindFirst = (ids: readonly string[], last: string) => {
    const sorted = ids.toSorted()
    return [...sorted.filter((id) => id > last), ...sorted.filter((id) => id <= last)]
  }
  const lines = behindFirst([...new Set(found.map(dagOfRun))], dag).map((id) => {
    const own = found.filter((runId) => dagOfRun(runId) === id)
    return behindFirst(own, runs[id] ?? '')
  })
  const longest = Math.max(0, ...lines.map(({ length }) => length))
  return Array.from({ length: longest }, (_, place) => lines.flatMap((line) => line[place] ?? [])).flat()
}

/** A task says that it waits for the run before, and has no cause to any more, or another one. */
function waitsForPastInVain(tables: Tables, row: RunRow): boolean {
  if (row.dependsOnPast === 'no') return false
  const past = pastRun(tables, row)
  return taskRuns(row).some(({ taskId, state, reason }) => {
    if (!saysPast({ taskId, state, reason })) return false
    const before = past?.state === 'queued' ? 'success' : (past?.tasks[taskId] ?? 'success')
    if (before === 'success' || before === 'skipped') return true
    return reason.startsWith(PAST_REASONS[0]) === isFinal(before)
  })
}
