import { declaredId, isItem } from '../core/items.js'
import type { Decision, TaskState } from '../core/model.js'
import { isFinal } from '../core/states.js'
import { type Database, sqlInstant } from './database.js'
import type { LeftWork, LeftWorkEnd, LeftWorkStore } from './left-work-store.js'
import { json, jsonInstant } from './rows.js'

/**
 * Tasks whose outside work no later attempt goes on with. That of an attempt which ended well has ended with it.
 * @returns their ids; none for the decisions that most tasks end by
 */
export function leavingWork({ tasks, settled, expand }: Decision): string[] {
  const well = new Set(settled.flatMap(({ taskId, result }) => (ENDED_WELL.has(result) ? [taskId] : [])))
  const leaves = ({ taskId, expect, set }: Decision['tasks'][number]) =>
    !ENDED_WELL.has(expect.state) &&
    // one that was cleared while it ran may have saved another handle since
    (set.generation !== undefined || startsAnew(expect.state, set.state) || (isFinal(set.state) && !well.has(taskId)))
  return [...tasks.filter(leaves).map(({ taskId }) => taskId), ...madeAnew(settled, expand)]
}

/** Items whose attempts of an earlier generation have ended in the step that makes their group anew: no change tells of them. */
function madeAnew(settled: Decision['settled'], expand: Decision['expand']): string[] {
  if (expand.length === 0) return []
  const groups = new Set(expand.map(({ taskId }) => taskId))
  return settled.flatMap(({ taskId }) => (isItem(taskId) && groups.has(declaredId(taskId)) ? [taskId] : []))
}

/** The attempt under which a task was cleared has ended. */
function startsAnew(before: TaskState, after: TaskState): boolean {
  return before === 'running' && after === 'none'
}

const ENDED_WELL: ReadonlySet<string> = new Set(['success', 'skipped'])

/**
 * A part of `applyDecision`: keeps the handles of these tasks. The statement sees their rows as they were before.
 * @param tasks the parameter with their ids
 * @param now the parameter with the instant
 */
export function keepingLeftWork(tasks: string, now: string): string {
  return `left_behind as (
  insert into left_work (run_id, task_id, attempt, generation, dag_id, version, queue, handle, next_try_at)
  select t.run_id, t.task_id, a.attempt, a.generation, t.dag_id, r.version, t.queue, t.handle, ${now}
  from run join runs r using (run_id) join (select $1::text as run_id, unnest(${tasks}::text[]) as task_id) l using (run_id)
    join task_runs t on t.run_id = l.run_id and t.task_id = l.task_id
    -- the last one that was claimed: what is queued is counted as the next attempt already, and has no row of its own. Its generation is not
    -- the task's where that was cleared while it ran
    cross join lateral (
      select attempt, generation from attempts
      where run_id = t.run_id and task_id = t.task_id and attempt <= t.attempt order by attempt desc limit 1
    ) a
  where t.handle is not null and t.handle <> 'null'
  on conflict (run_id, task_id, attempt) do update set generation = excluded.generation, handle = excluded.handle, failures = 0,
    next_try_at = excluded.next_try_at
)`
}

const LEFT_WORK = `l.run_id as "runId", l.task_id as "taskId", l.attempt, l.generation, l.dag_id as "dagId", l.version, l.handle, l.failures`

const DUE = `
with due as materialized (
  select run_id, task_id, attempt from left_work
  where next_try_at <= $2 and queue = any($1::text[])
  order by next_try_at, run_id, task_id, attempt limit $4 for update skip locked
)
update left_work l set next_try_at = $3 from due d
where l.run_id = d.run_id and l.task_id = d.task_id and l.attempt = d.attempt
returning ${LEFT_WORK}`

/** Locked in one order, since all items of a group may ask at a time. */
const BEFORE = `
with before as materialized (
  select run_id, task_id, attempt from left_work
  where run_id = $1 and split_part(task_id, '.', 1) = $2 and generation < $3
  order by task_id, attempt for update
)
update left_work l set next_try_at = $4 from before b
where l.run_id = b.run_id and l.task_id = b.task_id and l.attempt = b.attempt
returning ${LEFT_WORK}`

const SETTLE = `
with settled as materialized (
  select * from jsonb_to_recordset($1::jsonb) as s("runId" text, "taskId" text, attempt int, "retryAt" timestamptz)
), gone as (
  delete from left_work l using settled s
  where l.run_id = s."runId" and l.task_id = s."taskId" and l.attempt = s.attempt and s."retryAt" is null
)
update left_work l set failures = failures + 1, next_try_at = s."retryAt" from settled s
where l.run_id = s."runId" and l.task_id = s."taskId" and l.attempt = s.attempt and s."retryAt" is not null`

/** Work outside that nobody goes on with, until a worker has ended it. */
export class LeftWorkQueries implements LeftWorkStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async dueLeftWork(
    queues: readonly string[],
    { now, leaseMs, limit }: Parameters<LeftWorkStore['dueLeftWork']>[1],
  ): Promise<LeftWork[]> {
    const params = [queues, sqlInstant(now), sqlInstant(now + leaseMs), limit]
    return this.#database.query<LeftWork & Record<string, unknown>>(DUE, params)
  }

  async leftBefore(
    { runId, taskId, generation }: Parameters<LeftWorkStore['leftBefore']>[0],
    { now, leaseMs }: Parameters<LeftWorkStore['leftBefore']>[1],
  ): Promise<LeftWork[]> {
    const params = [runId, declaredId(taskId), generation, sqlInstant(now + leaseMs)]
    return this.#database.query<LeftWork & Record<string, unknown>>(BEFORE, params)
  }

  async settleLeftWork(ends: readonly LeftWorkEnd[]): Promise<void> {
    if (ends.length === 0) return
    const rows = ends.map(({ retryAt, ...key }) => ({
      ...key,
      retryAt: retryAt === null ? null : jsonInstant(retryAt),
    }))
    await this.#database.query(SETTLE, [json(rows)])
  }
}
