import type { Instant, JsonObject } from '../../../json.js'
import type { RunWait, Wait } from '../../../operators/wait.js'
import type { Run } from '../../../scheduler/core/model.js'
import { SET_BACK_MS } from '../../../scheduler/store/set-back.js'
import type { ChildToMake, DueLook, LookResult, WaitStore } from '../../../scheduler/store/wait-store.js'
import type { RunRow, Tables, TaskRow } from './tables.js'

export function waitStore(tables: Tables): WaitStore {
  return {
    async wakeWaiting(which, now) {
      const asked = ({ row, wait }: Waiting) =>
        which === null || which.runs.includes(row.runId) || which.on.includes(wait.on)
      return wakeWaiting(tables, [...waiting(tables)].filter(asked), now)
    },
    async wakeTask({ runId, taskId, attempt }, woken, now) {
      const row = tables.task(runId, taskId)
      if (row?.task.state !== 'deferred' || row.task.attempt !== attempt || row.woken !== null) return 'moved'
      wake(row, woken, now)
      return 'woken'
    },
    async childrenToMake(limit) {
      return [...waiting(tables)].flatMap((one) => childOf(tables, one) ?? []).slice(0, limit)
    },
    async childrenToCancel(limit) {
      const left = [...tables.activeRuns()].filter((row) => isLeft(tables, row))
      return left.slice(0, limit).flatMap(({ run }) => (run.parent ? { runId: run.id, parent: run.parent } : []))
    },
    async dueLooks(queues, options) {
      return dueLooks(tables, queues, options)
    },
    async nextLookAt(queues, weight) {
      const due = [...tables.looks.values()].filter(
        ({ queue, condition }) => queues.includes(queue) && (condition.weight ?? 'light') === weight,
      )
      return due.length === 0 ? null : Math.min(...due.map(({ nextLookAt }) => nextLookAt))
    },
    async recordLooks(results, now) {
      return recordLooks(tables, results, now)
    },
    async hastenLooks(names, now) {
      const late = [...tables.looks.values()].filter((look) => names.includes(look.table) && look.nextLookAt > now)
      for (const look of late) look.nextLookAt = now
      return late.length > 0
    },
  }
}

interface Waiting {
  run: RunRow
  row: TaskRow
  wait: Wait
}

function* waiting(tables: Tables): Generator<Waiting> {
  for (const run of tables.activeRuns()) {
    for (const row of run.tasks.values()) {
      const wait = row.task.waitsFor
      if (row.task.state === 'deferred' && wait && row.woken === null) yield { run, row, wait }
    }
  }
}

function wake(row: TaskRow, woken: JsonObject, now: Instant): void {
  row.task = { ...row.task, notBefore: now }
  row.woken = woken
}

function wakeWaiting(tables: Tables, asked: readonly Waiting[], now: Instant): string[] {
  const woken = new Set<string>()
  for (const { row, wait } of asked) {
    if (wait.kind === 'look' && !tables.looks.has(wait.key)) {
      const { operator, condition, folder, table, everyMs, firstMs = everyMs, seen } = wait
      const weight = wait.weight === undefined ? {} : { weight: wait.weight }
      const look = { queue: row.queue, table, everyMs, seen, detail: '', nextLookAt: now + firstMs }
      tables.looks.set(wait.key, { ...look, condition: { operator, condition, folder, ...weight } })
    }
    const run = awaited(tables, wait)
    if (run === undefined) continue
    wake(row, { run: run.id, state: run.state }, now)
    woken.add(row.runId)
  }
  return [...woken].sort()
}

/** The run that ends this wait; undefined while there is none. */
function awaited(tables: Tables, wait: Wait): Run | undefined {
  if (wait.kind === 'run') return awaitedRun(tables, wait)
  if (wait.kind !== 'child') return undefined
  const run = tables.runs.get(tables.keys.get(wait.key)?.runId ?? '')?.run
  const hasEnded = run === undefined || ['success', 'failed', 'cancelled'].includes(run.state)
  const isThere = !wait.wait || hasEnded || !tables.guards('wait_met')
  return isThere ? run : undefined
}

function awaitedRun(tables: Tables, { dag, interval, states }: RunWait): Run | undefined {
  const newest = [...tables.runs.values()]
    .map(({ run }) => run)
    .filter(({ dagId }) => dagId === dag)
    .sort((a, b) => b.dueAt - a.dueAt || (a.id < b.id ? 1 : -1))
  if (interval === null) return newest.slice(0, 1).find(({ state }) => states.includes(state))
  const [start, end] = [Date.parse(interval.start), Date.parse(interval.end)]
  return newest.find((run) => run.intervalStart === start && run.intervalEnd === end && states.includes(run.state))
}

function childOf(tables: Tables, { run: { run }, row, wait }: Waiting): ChildToMake | null {
  if (wait.kind !== 'child' || run.state !== 'running' || run.cancelRequested) return null
  if (tables.keys.has(wait.key) && tables.guards('child_key')) return null
  const { taskId, attempt, generation } = row.task
  const { intervalStart, intervalEnd } = run
  return { runId: run.id, taskId, attempt, generation, wait, intervalStart, intervalEnd }
}

function isLeft(tables: Tables, { run }: RunRow): boolean {
  const { parent } = run
  if (parent === undefined || !parent.waits || run.cancelRequested) return false
  const task = tables.task(parent.runId, parent.taskId)?.task
  return task !== undefined && (task.state === 'cancelled' || task.generation !== parent.generation)
}

function dueLooks(
  tables: Tables,
  queues: readonly string[],
  { now, leaseMs, limit, weight }: Parameters<WaitStore['dueLooks']>[1],
): DueLook[] {
  const due = [...tables.looks]
    .filter(([, { queue, nextLookAt, everyMs }]) => {
      return queues.includes(queue) && (nextLookAt <= now || nextLookAt > now + everyMs + SET_BACK_MS)
    })
    .filter(([, { condition }]) => (condition.weight ?? 'light') === weight)
  const wanted = new Set([...waiting(tables)].map(({ wait }) => wait.on))
  return due.slice(0, limit).flatMap(([key, look]) => {
    if (!wanted.has(`look:${key}`)) {
      tables.looks.delete(key)
      return []
    }
    if (tables.guards('look_lease')) look.nextLookAt = now + leaseMs
    return { key, condition: look.condition, seen: look.seen }
  })
}

function recordLooks(tables: Tables, results: readonly LookResult[], now: Instant): string[] {
  const woken = new Set<string>()
  for (const { key, met, seen, detail } of results) {
    const look = tables.looks.get(key)
    if (look !== undefined) Object.assign(look, { seen, detail, nextLookAt: now + look.everyMs })
    if (met === null) continue
    for (const { row, wait } of waiting(tables)) {
      if (wait.on !== `look:${key}`) continue
      wake(row, met as JsonObject, now)
      woken.add(row.runId)
    }
  }
  return [...woken].sort()
}
