import type { Instant } from '../../../json.js'
import type { RunState, TaskState } from '../../core/model.js'
import type { Database, SqlRow } from '../database.js'

export interface RunSla {
  /** '' for the run itself */
  taskId: string
  sla: string
  /** null while it counts from a start that has not been */
  deadlineAt: Instant | null
  p50At: Instant | null
  p90At: Instant | null
  atRiskAt: Instant | null
  missedAt: Instant | null
  recoveredAt: Instant | null
}

const COLUMNS = `s.task_id as "taskId", s.sla, s.deadline_at as "deadlineAt", s.p50_at as "p50At", s.p90_at as "p90At",
  s.at_risk_at as "atRiskAt", s.missed_at as "missedAt", s.recovered_at as "recoveredAt"`

/** The SLAs of one run and its tasks, the run's own first. */
export function runSlas(db: Database, runId: string): Promise<RunSla[]> {
  return db.query<RunSla & SqlRow>(
    `select ${COLUMNS} from slas s where s.run_id = $1 order by s.task_id, s.deadline_at, s.sla`,
    [runId],
  )
}

export interface LateSla extends RunSla {
  dagId: string
  runId: string
  timezone: string | null
  /** of the run or of the task that is late */
  state: RunState | TaskState
  /** the task that keeps it, and why; null when none is at work or waits. One that is late itself stands for itself. */
  becauseOf: string | null
  reason: string
}

/** What is worked on after its deadline or will hardly keep it, the earliest deadline first. */
export function lateSlas(db: Database, limit: number): Promise<LateSla[]> {
  return db.query<LateSla & SqlRow>(
    `select ${COLUMNS}, s.dag_id as "dagId", s.run_id as "runId", v.spec#>>'{schedule,timezone}' as timezone,
       coalesce(t.state, r.state) as state, because.task_id as "becauseOf", coalesce(because.reason, r.reason) as reason
     from slas s join runs r using (run_id) join dag_versions v on v.version = r.version
     left join task_runs t on t.run_id = s.run_id and t.task_id = s.task_id
     left join lateral (
       select b.task_id, b.reason from task_runs b
       where b.run_id = s.run_id and b.item_of is null and r.state = 'running'
         and (s.task_id = '' and b.state in ('running', 'up_for_retry', 'queued', 'scheduled', 'deferred') or b.task_id = s.task_id)
       order by array_position(array['up_for_retry', 'running', 'queued', 'scheduled', 'deferred'], b.state), b.position
       limit 1
     ) because on true
     where s.closed_at is null and (s.at_risk_at is not null or s.missed_at is not null)
       and coalesce(t.state, r.state) not in ('success', 'failed', 'skipped', 'upstream_failed', 'cancelled')
     order by s.deadline_at, s.run_id, s.task_id, s.sla limit $1`,
    [limit],
  )
}

export interface SlaRecord {
  /** runs whose deadlines were judged, and those that kept all of them */
  judged: number
  met: number
  /** there were more than are looked through */
  cut: boolean
}

/** Deadlines that are looked through for a record: a DAG of each minute has 43,200 in 30 days. */
const RECORD_OF = 1_000

/** How a DAG has kept the deadlines of its runs that were judged since `since`, of the last 1,000 at most. */
export async function slaRecord(db: Database, dagId: string, since: Instant): Promise<SlaRecord> {
  const [row] = await db.query<SlaRecord & SqlRow>(
    `with judged as (
       (select run_id, missed_at from slas where dag_id = $1 and task_id = '' and closed_at >= $2
        order by closed_at desc limit ${RECORD_OF})
       union all
       (select run_id, missed_at from slas where dag_id = $1 and task_id = '' and closed_at is null and missed_at >= $2
        limit ${RECORD_OF})
     )
     select count(*) as judged, count(*) filter (where met) as met, (select count(*) from judged) >= ${RECORD_OF} as cut
     from (select bool_and(missed_at is null) as met from judged group by run_id) runs`,
    [dagId, new Date(since)],
  )
  return row ?? { judged: 0, met: 0, cut: false }
}
