import type { Instant } from '../../json.js'
import type { RunState, TaskState } from '../core/model.js'
import type { OpenSla, SlaKind } from '../core/sla.js'
import { ALERT_EVENTS, raisingAlerts } from './alerts.js'
import { type Database, sqlInstant } from './database.js'
import { json, jsonInstant } from './rows.js'
import type { NewSla, PastRunTimes, SlaChange, SlaStore } from './sla-store.js'

/** Columns of new SLAs as `newSlaRow` gives them, for `jsonb_to_recordset`. */
const NEW_SLA_COLUMNS = 'task_id text, sla text, warns boolean, deadline_at timestamptz, look_at timestamptz'

/**
 * Inserts the SLAs of runs that were made in the same statement.
 * @param made rows with `run_id`, `dag_id` and `slas` (jsonb)
 * @param now the parameter with the instant
 */
export const insertingSlas = (made: string, now: string): string => `
  insert into slas (run_id, task_id, sla, dag_id, warns, deadline_at, look_at, looked_at)
  select made.run_id, s.task_id, s.sla, made.dag_id, s.warns, s.deadline_at, s.look_at, ${now}
  from ${made} made, jsonb_to_recordset(made.slas) as s(${NEW_SLA_COLUMNS})`

/**
 * A deadline as a row of NEW_SLA_COLUMNS. An SLA on the run itself, whose task is null, is kept under the task id '',
 * because the task is part of the key.
 */
export function newSlaRow({ taskId, sla, warns, deadlineAt, lookAt }: NewSla): object {
  return {
    task_id: taskId ?? '',
    sla,
    warns,
    deadline_at: jsonInstant(deadlineAt),
    look_at: jsonInstant(lookAt),
  }
}

/** An early warning is looked at no more often than this, however quickly a run moves. */
const WARNING_PAUSE = "interval '5 seconds'"

/**
 * Parts of a statement's `with` that make the SLAs of `run` (run_id) due: at once those of the subjects in `subjects`
 * (task ids, '' for the run), soon the others that may warn. All that writes to SLAs without leaving out those that are
 * locked takes them in one order, so that nobody locks another out.
 */
export const lookingAtSlas = (subjects: string, now: string): string => `sla as materialized (
  select s.task_id, s.sla, s.task_id = any(${subjects}::text[]) as at_once,
    least(s.look_at, greatest(${now}, s.looked_at + ${WARNING_PAUSE})) as soon
  from slas s join run using (run_id) where s.closed_at is null order by s.task_id, s.sla for update of s
), looked_at as (
  update slas s set look_at = case when sla.at_once then ${now} else sla.soon end, revision = s.revision + 1
  from sla, run where s.run_id = run.run_id and s.task_id = sla.task_id and s.sla = sla.sla
    and (sla.at_once or s.warns and s.look_at is distinct from sla.soon)
)`

const madeDue = (now: string): string => `made_due as (
  update slas s set look_at = ${now}, revision = s.revision + 1 from due_sla d
  where s.run_id = d.run_id and s.task_id = d.task_id and s.sla = d.sla
)`

/** The same for what `where` says of `slas s`, at once. */
export const makingSlasDue = (from: string, where: string, now: string): string => `due_sla as materialized (
  select s.run_id, s.task_id, s.sla from slas s ${from} where s.closed_at is null and ${where}
  order by s.run_id, s.task_id, s.sla for update of s
), ${madeDue(now)}`

/** The same for those of the runs in `started` (run_id) whose deadline counts from the start: one probe for each run. */
export const makingSlasOfStartedDue = (now: string): string => `due_sla as materialized (
  select s.* from (select run_id from started order by run_id) r cross join lateral (
    select run_id, task_id, sla from slas where run_id = r.run_id and closed_at is null and deadline_at is null
    order by task_id, sla for update
  ) s
), ${madeDue(now)}`

/** The limit comes before the joins: of a storm that is due at one instant only the batch is read. */
const DUE_SLAS = `
select s.run_id, s.dag_id, r.version, s.task_id, s.sla, s.revision, s.deadline_at, s.look_at, s.at_risk_at, s.missed_at,
  s.recovered_at, d.paused, r.state as run_state, r.due_at, r.created_at, r.started_at, r.ended_at,
  t.state as task_state, t.ended_at as task_ended_at
from (select * from slas where look_at <= $1 order by look_at limit $2) s
  join runs r using (run_id) join dags d on d.dag_id = s.dag_id
  left join task_runs t on t.run_id = s.run_id and t.task_id = s.task_id
order by s.look_at, s.run_id, s.task_id, s.sla`

/**
 * What is locked just now is changing and will be looked at again, so nobody waits here and nobody is locked out. The
 * alerts are raised from the rows that were changed: who comes second raises nothing. One probe for each.
 */
const SETTLE_SLAS = `
with input as materialized (
  select * from jsonb_to_recordset($1::jsonb) as i(run_id text, task_id text, sla text, revision int, paused boolean,
    deadline_at timestamptz, look_at timestamptz, p50_at timestamptz, p90_at timestamptz, kinds jsonb, closed boolean)
), unchanged as materialized (
  select o.run_id, o.task_id, o.sla from input i
    cross join lateral (
      select s.run_id, s.task_id, s.sla, s.dag_id from slas s
      where s.run_id = i.run_id and s.task_id = i.task_id and s.sla = i.sla and s.revision = i.revision
        and s.closed_at is null for update skip locked
    ) o join dags d on d.dag_id = o.dag_id and d.paused = i.paused
), settled as (
  update slas s set revision = s.revision + 1, deadline_at = i.deadline_at, look_at = i.look_at, looked_at = $2,
    p50_at = i.p50_at, p90_at = i.p90_at,
    at_risk_at = case when i.kinds ? 'at_risk' then $2 else s.at_risk_at end,
    missed_at = case when i.kinds ? 'missed' then $2 else s.missed_at end,
    recovered_at = case when i.kinds ? 'recovered' then $2 else s.recovered_at end,
    closed_at = case when i.closed then $2::timestamptz end
  from unchanged join input i using (run_id, task_id, sla)
  where s.run_id = i.run_id and s.task_id = i.task_id and s.sla = i.sla
  returning s.run_id, s.task_id, s.sla
), event as (
  select e.* from jsonb_to_recordset($3::jsonb) as e(${ALERT_EVENTS}, run_id text, task_id text, sla text)
    join settled using (run_id, task_id, sla)
), ${raisingAlerts('event e', '$2::timestamptz')}
select run_id, task_id, sla from settled order by run_id, task_id, sla`

/** Tasks with their items left out. */
const PAST_RUNS = `
select r.created_at, r.started_at, (
  select coalesce(jsonb_agg(jsonb_build_array(t.task_id, extract(epoch from t.started_at) * 1000,
    extract(epoch from t.ended_at) * 1000) order by t.position), '[]')
  from task_runs t where t.run_id = r.run_id and t.item_of is null and t.ended_at is not null
) as tasks
from runs r
where r.dag_id = $1 and r.state = 'success' and r.kind <> 'backfill' and r.only_tasks is null
order by r.due_at desc, r.run_id desc limit $2`

interface SlaRow extends Record<string, unknown> {
  run_id: string
  dag_id: string
  version: string
  task_id: string
  sla: string
  revision: number
  deadline_at: Instant | null
  look_at: Instant
  at_risk_at: Instant | null
  missed_at: Instant | null
  recovered_at: Instant | null
  paused: boolean
  run_state: RunState
  due_at: Instant
  created_at: Instant
  started_at: Instant | null
  ended_at: Instant | null
  task_state: TaskState | null
  task_ended_at: Instant | null
}

interface PastRow extends Record<string, unknown> {
  created_at: Instant
  started_at: Instant
  tasks: [string, number | null, number][]
}

/** Deadlines of runs and their tasks. */
export class SlaQueries implements SlaStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async dueSlas(now: Instant, limit: number): Promise<OpenSla[]> {
    return (await this.#database.query<SlaRow>(DUE_SLAS, [sqlInstant(now), limit])).map(toOpenSla)
  }

  async nextSlaLook(): Promise<Instant | null> {
    const [row] = await this.#database.query<{ at: Instant | null }>(
      'select min(look_at) as at from slas where look_at is not null',
    )
    return row?.at ?? null
  }

  async settleSlas(
    changes: readonly SlaChange[],
    now: Instant,
  ): Promise<Pick<SlaChange, 'runId' | 'taskId' | 'sla'>[]> {
    const events = changes.flatMap(({ runId, taskId, sla, notices }) =>
      notices.map(({ alert }) => ({ ...alert, run_id: runId, task_id: taskId ?? '', sla })),
    )
    const rows = await this.#database.query<{ run_id: string; task_id: string; sla: string }>(SETTLE_SLAS, [
      json(changes.map(changeRow)),
      sqlInstant(now),
      json(events),
    ])
    return rows.map((row) => ({ runId: row.run_id, taskId: taskIdOf(row.task_id), sla: row.sla }))
  }

  async pastRuns(dagId: string, limit: number): Promise<PastRunTimes[]> {
    const rows = await this.#database.query<PastRow>(PAST_RUNS, [dagId, limit])
    return rows.map(({ created_at, started_at, tasks }) => ({
      createdAt: created_at,
      startedAt: started_at,
      tasks: tasks.map(([taskId, startedAt, endedAt]) => ({ taskId, startedAt, endedAt })),
    }))
  }
}

const taskIdOf = (column: string): string | null => (column === '' ? null : column)

function toOpenSla(row: SlaRow): OpenSla {
  const told: readonly [SlaKind, Instant | null][] = [
    ['at_risk', row.at_risk_at],
    ['missed', row.missed_at],
    ['recovered', row.recovered_at],
  ]
  return {
    runId: row.run_id,
    dagId: row.dag_id,
    version: row.version,
    taskId: taskIdOf(row.task_id),
    sla: row.sla,
    revision: row.revision,
    deadlineAt: row.deadline_at,
    lookAt: row.look_at,
    sent: told.flatMap(([kind, at]) => (at === null ? [] : [kind])),
    dagPaused: row.paused,
    run: {
      state: row.run_state,
      dueAt: row.due_at,
      createdAt: row.created_at,
      startedAt: row.started_at,
      endedAt: row.ended_at,
    },
    task: row.task_state === null ? null : { state: row.task_state, endedAt: row.task_ended_at },
  }
}

function changeRow(change: SlaChange): object {
  return {
    run_id: change.runId,
    task_id: change.taskId ?? '',
    sla: change.sla,
    revision: change.revision,
    paused: change.dagPaused,
    deadline_at: jsonInstant(change.deadlineAt),
    look_at: jsonInstant(change.lookAt),
    p50_at: jsonInstant(change.p50At),
    p90_at: jsonInstant(change.p90At),
    kinds: change.notices.map(({ kind }) => kind),
    closed: change.closed,
  }
}
