import type { Instant } from '../../../json.js'
import type { QueuedTask } from '../../../scheduler/store/store.js'
import { byInstant, type RunRow, type Tables, type TaskRow } from './tables.js'

interface Ready {
  run: RunRow
  row: TaskRow
  /** place among the ready tasks of its DAG: fair means that the first of each come before the second of any */
  turn: number
}

export function queueReady(
  tables: Tables,
  { now, limit, tell }: { now: Instant; limit: number; tell: boolean },
): QueuedTask[] {
  const inPool = new Map<string, number>()
  const inDag = new Map<string, number>()
  const queued: QueuedTask[] = []
  for (const { run, row } of activeTasks(tables, ['queued', 'running'])) {
    inPool.set(row.pool, (inPool.get(row.pool) ?? 0) + row.poolSlots)
    inDag.set(run.run.dagId, (inDag.get(run.run.dagId) ?? 0) + 1)
  }
  const closed = new Set<string>()
  for (const { run, row } of inTurn(activeTasks(tables, ['scheduled']))) {
    if (run.run.state !== 'running') continue
    if (queued.length === limit) break
    const pool = inPool.get(row.pool) ?? 0
    const dag = inDag.get(row.dagId) ?? 0
    const reason = blocked(tables, run, row, pool, dag)
    if (reason !== '') {
      if (tell) row.task = { ...row.task, reason }
      if (reason.endsWith('taken')) closed.add(row.pool)
      continue
    }
    // behind one that takes several slots nobody goes first
    if (closed.has(row.pool)) continue
    inPool.set(row.pool, pool + row.poolSlots)
    inDag.set(row.dagId, dag + 1)
    queued.push(queue(row, now))
  }
  return queued
}

function activeTasks(tables: Tables, states: string[]): { run: RunRow; row: TaskRow }[] {
  return [...tables.activeRuns()].flatMap((run) =>
    [...run.tasks.values()].filter(({ task }) => states.includes(task.state)).map((row) => ({ run, row })),
  )
}

function inTurn(tasks: { run: RunRow; row: TaskRow }[]): Ready[] {
  const order = byInstant<{ row: TaskRow }>(
    ({ row }) => row.task.since,
    ({ row }) => `${row.runId}/${row.task.taskId}`,
  )
  const turns = new Map<string, number>()
  return tasks
    .sort((a, b) => b.row.priority - a.row.priority || order(a, b))
    .map(({ run, row }) => {
      const key = `${row.dagId}/${row.priority}`
      const turn = turns.get(key) ?? 0
      turns.set(key, turn + 1)
      return { run, row, turn }
    })
    .sort((a, b) => b.row.priority - a.row.priority || a.turn - b.turn || order(a, b))
}

function blocked(tables: Tables, run: RunRow, row: TaskRow, inPool: number, inDag: number): string {
  const size = tables.pools.get(row.pool)
  if (size === undefined) return `pool ${row.pool} is not defined in sluice.yaml`
  const needs = `needs ${row.poolSlots} slots of pool ${row.pool}`
  if (row.poolSlots > size) return `${needs}, which has ${size}`
  if (inPool >= size && tables.guards('pool_limit')) return `pool ${row.pool} is full, ${inPool} of ${size}`
  if (inPool + row.poolSlots > size && tables.guards('pool_limit')) return `${needs}, ${inPool} of ${size} are taken`
  if (inDag >= run.maxActiveTasks && tables.guards('max_active_tasks')) {
    return `${inDag} of ${run.maxActiveTasks} tasks of ${row.dagId} are active`
  }
  return ''
}

function queue(row: TaskRow, now: Instant): QueuedTask {
  const { task, queue: name } = row
  row.task = {
    ...task,
    state: 'queued',
    attempt: task.attempt + 1,
    tries: task.tries + 1,
    cancelRequested: false,
    since: now,
    reason: `waits for a worker of queue ${name}`,
  }
  return {
    runId: row.runId,
    taskId: task.taskId,
    attempt: task.attempt + 1,
    queue: name,
    priority: row.priority,
  }
}
