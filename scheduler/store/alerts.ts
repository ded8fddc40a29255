import type { Instant, JsonObject } from '../../json.js'
import type { AlertEvent, AlertKind } from '../core/alert.js'
import type { Alert, AlertChoice, AlertStore, ListedAlert, Mute } from './alert-store.js'
import { type Database, sqlInstant } from './database.js'
import { json } from './rows.js'

/** Columns of a jsonb parameter that holds alert events. */
export const ALERT_EVENTS = `key text, kind text, subject text, "dagId" text, "runId" text, "taskId" text, payload jsonb,
  destinations text[], after text`

/**
 * Parts of a statement's `with` that raise alerts in the same step as what the statement writes. The key of one that
 * answers another (`after`) ends with the number of that one, so that each is answered once. The condition is a `case`
 * because an `or` makes the planner expect one row, and a storm is then joined to itself row by row.
 * @param from the events (columns ALERT_EVENTS) as `e`, perhaps joined to what must hold: `event e, run`
 * @param now the parameter with the instant, `$2::timestamptz`
 */
export const raisingAlerts = (from: string, now: string): string => `alert_event as (
  select case when e.after is null then e.key else e.key || ' ' || b.alert_id end as key, e.kind, e.subject, e."dagId",
    e."runId", e."taskId", e.payload, e.destinations
  from ${from} left join lateral (
    select a.alert_id, a.kind from alerts a where e.after is not null and a.subject = e.subject and a.kind in (e.after, e.kind)
    order by a.alert_id desc limit 1
  ) b on e.after is not null
  where case when e.after is null then true else b.kind = e.after end
), raised as (
  insert into alerts (key, kind, subject, dag_id, run_id, task_id, payload, raised_at)
  select key, kind, subject, "dagId", "runId", "taskId", payload, ${now} from alert_event
  on conflict (key) do nothing returning alert_id, key
), addressed as (
  insert into alert_deliveries (alert_id, destination, since)
  select r.alert_id, d.destination, ${now} from raised r join alert_event e using (key)
    cross join lateral unnest(e.destinations) as d(destination)
  on conflict do nothing
)`

const RAISE = `
with event as (
  select * from jsonb_to_recordset($1::jsonb) as i(${ALERT_EVENTS})
), ${raisingAlerts('event e', '$2::timestamptz')}
select key from raised`

const ACKNOWLEDGE = `
with chosen as materialized (
  select alert_id from alerts where acknowledged_at is null and (alert_id = any($1::bigint[]) or dag_id = $2
    or alert_id in (select alert_id from alert_deliveries where message_id = $3)) order by alert_id for update
), silenced as (
  update alert_deliveries d set state = 'acknowledged' from chosen c where d.alert_id = c.alert_id and d.state = 'waiting'
)
update alerts a set acknowledged_at = $5, acknowledged_by = $4 from chosen c where a.alert_id = c.alert_id returning 1`

const REMOVE = `
with old as materialized (
  select alert_id from alerts a where raised_at < $1 and not exists (
    select 1 from alert_deliveries d left join alert_messages m using (message_id)
    where d.alert_id = a.alert_id and (d.state = 'waiting' or m.state = 'waiting'))
  order by raised_at limit $2
), messages as (
  delete from alert_messages m where m.state <> 'waiting' and m.ended_at < $1 and not exists (
    select 1 from alert_deliveries d where d.message_id = m.message_id and d.alert_id not in (select alert_id from old))
)
delete from alerts a using old where a.alert_id = old.alert_id returning 1`

/** Columns of `alerts a` in the form `toAlert` reads. */
export const ALERT_COLUMNS = `a.alert_id, a.key, a.kind, a.subject, a.dag_id, a.run_id, a.task_id, a.payload, a.raised_at,
  a.acknowledged_by`

const LIST = `
select ${ALERT_COLUMNS}, (
    select coalesce(jsonb_agg(jsonb_build_object('destination', d.destination, 'messageId', d.message_id,
      'state', case when d.state = 'in_message' then coalesce(m.state, 'sent') else d.state end) order by d.destination), '[]')
    from alert_deliveries d left join alert_messages m using (message_id) where d.alert_id = a.alert_id
  ) as deliveries
from alerts a
where ($1::text is null or a.dag_id = $1) and ($2::boolean is null or (a.acknowledged_at is not null) = $2)
  and ($3::bigint is null or a.alert_id < $3)
order by a.alert_id desc limit $4`

/** Alerts as they are raised, taken note of and muted. */
export class AlertQueries implements AlertStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async raiseAlerts(events: readonly AlertEvent[], now: Instant): Promise<string[]> {
    if (events.length === 0) return []
    const rows = await this.#database.query<{ key: string }>(RAISE, [json(events), sqlInstant(now)])
    return rows.map((row) => row.key)
  }

  async acknowledgeAlerts(choice: AlertChoice, by: string, now: Instant): Promise<number> {
    const rows = await this.#database.query(ACKNOWLEDGE, [
      'alertIds' in choice ? choice.alertIds : [],
      'dagId' in choice ? choice.dagId : null,
      'messageId' in choice ? choice.messageId : null,
      by,
      sqlInstant(now),
    ])
    return rows.length
  }

  async muteAlerts(
    { dagId, taskId, until, reason, createdBy }: Omit<Mute, 'id' | 'createdAt'>,
    now: Instant,
  ): Promise<number> {
    const [row] = await this.#database.query<{ mute_id: number }>(
      `insert into alert_mutes (dag_id, task_id, until_at, reason, created_by, created_at)
        values ($1, $2, $3, $4, $5, $6) returning mute_id`,
      [dagId, taskId, sqlInstant(until), reason, createdBy, sqlInstant(now)],
    )
    if (row === undefined) throw new Error('a mute was inserted and has no id')
    return row.mute_id
  }

  async endMute(muteId: number, now: Instant): Promise<'changed' | 'unchanged' | 'unknown'> {
    const [row] = await this.#database.query<{ known: boolean; changed: boolean }>(
      `with changed as (
        update alert_mutes set until_at = $2 where mute_id = $1 and until_at > $2 returning 1
      ) select exists (select 1 from alert_mutes where mute_id = $1) as known, exists (select 1 from changed) as changed`,
      [muteId, sqlInstant(now)],
    )
    return changeOf(row)
  }

  async mutes(now: Instant): Promise<Mute[]> {
    const rows = await this.#database.query<MuteRow>(
      `select mute_id, dag_id, task_id, until_at, reason, created_by, created_at from alert_mutes
        where until_at > $1 order by until_at, mute_id`,
      [sqlInstant(now)],
    )
    return rows.map((row) => ({
      id: row.mute_id,
      dagId: row.dag_id,
      taskId: row.task_id,
      until: row.until_at,
      reason: row.reason,
      createdBy: row.created_by,
      createdAt: row.created_at,
    }))
  }

  async listAlerts({
    dagId,
    acknowledged,
    before,
    limit,
  }: Parameters<AlertStore['listAlerts']>[0]): Promise<ListedAlert[]> {
    const rows = await this.#database.query<AlertRow & Pick<ListedAlert, 'deliveries'>>(LIST, [
      dagId,
      acknowledged,
      before,
      limit,
    ])
    return rows.map((row) => ({ ...toAlert(row), deliveries: row.deliveries }))
  }

  async removeAlerts(before: Instant, limit: number): Promise<number> {
    return (await this.#database.query(REMOVE, [sqlInstant(before), limit])).length
  }
}

interface MuteRow extends Record<string, unknown> {
  mute_id: number
  dag_id: string
  task_id: string | null
  until_at: Instant
  reason: string
  created_by: string
  created_at: Instant
}

export interface AlertRow extends Record<string, unknown> {
  alert_id: number
  key: string
  kind: AlertKind
  subject: string
  dag_id: string | null
  run_id: string | null
  task_id: string | null
  payload: JsonObject
  raised_at: Instant
  acknowledged_by: string | null
}

/** An alert as the rest of Sluice knows it; drivers have turned timestamps into milliseconds already. */
export function toAlert(row: AlertRow): Alert {
  return {
    id: row.alert_id,
    key: row.key,
    kind: row.kind,
    subject: row.subject,
    dagId: row.dag_id,
    runId: row.run_id,
    taskId: row.task_id,
    payload: row.payload,
    raisedAt: row.raised_at,
    acknowledgedBy: row.acknowledged_by,
  }
}

/**
 * The answer to a change of one row: a row that is there and did not match the condition is `unchanged`, none
 * `unknown`. A statement that gives no row counts as `unknown` too.
 */
export function changeOf(row: { known: boolean; changed: boolean } | undefined): 'changed' | 'unchanged' | 'unknown' {
  if (row?.known !== true) return 'unknown'
  return row.changed ? 'changed' : 'unchanged'
}
