import type { Instant } from '../../json.js'
import { type Database, type SqlStatement, sqlInstant } from './database.js'
import { json, jsonInstant } from './rows.js'
import type { ClaimStore } from './store.js'

/*
 * `between` in the inputs holds for every row. It tells the planner to expect few, so that it looks the rows up by key.
 */

const RECORDING = `
with input as (
  select * from jsonb_to_recordset($1::jsonb) as i(position int, run_id text, task_id text, attempt int, claim_token text,
    result text, reason text, retryable boolean, outputs jsonb, started_at timestamptz, ended_at timestamptz, wake_at timestamptz, waits_for jsonb, rendered jsonb, log_lines int,
    log_bytes bigint, metrics jsonb, input_key text, reads jsonb, writes jsonb, checks jsonb)
  where position between 0 and 2147483647
), mine as (
  update attempts a set result = i.result, reason = i.reason, retryable = i.retryable, outputs = i.outputs,
    claimed_at = greatest(a.claimed_at, i.started_at), ended_at = i.ended_at, wake_at = i.wake_at, waits_for = i.waits_for, rendered = i.rendered, log_lines = i.log_lines, log_bytes = i.log_bytes, metrics = i.metrics,
    input_key = i.input_key
  from input i where a.run_id = i.run_id and a.task_id = i.task_id and a.attempt = i.attempt
    and a.claim_token = i.claim_token and a.result is null
  returning i.*
), released as (
  update task_runs t set lease_until = null, started_at = greatest(t.started_at, m.started_at) from mine m
  where t.run_id = m.run_id and t.task_id = m.task_id and t.attempt = m.attempt and t.claim_token = m.claim_token
)`

/**
 * A table that was dropped and made anew counts its versions anew: the later commit is the one that is there. Rows come in the
 * order of the key, so that two writers cannot wait for each other.
 */
export const REPLACING_FORMER = `on conflict (table_name, version) do update set version_before = excluded.version_before,
    operation = excluded.operation, run_id = excluded.run_id, task_id = excluded.task_id, attempt = excluded.attempt,
    user_name = excluded.user_name, reason = excluded.reason, rows_added = excluded.rows_added,
    rows_updated = excluded.rows_updated, rows_removed = excluded.rows_removed, rows_total = excluded.rows_total,
    bytes = excluded.bytes, committed_at = excluded.committed_at
  where excluded.committed_at > table_versions.committed_at and excluded.version_before is distinct from excluded.version`

/** What tasks have done to tables; most programs do nothing to them. */
const KEEPING_FACTS = `, kept_reads as (
  insert into table_reads (run_id, task_id, attempt, table_name, version, row_count)
  select m.run_id, m.task_id, m.attempt, r."table", r.version, r.rows
  from mine m, jsonb_to_recordset(m.reads) as r("table" text, version bigint, rows bigint) on conflict do nothing
), kept_writes as (
  insert into table_versions (table_name, version, version_before, operation, run_id, task_id, attempt, rows_added,
    rows_updated, rows_removed, rows_total, bytes, committed_at)
  select distinct on (w."table", w.version) w."table", w.version, w."versionBefore", w.operation, m.run_id, m.task_id, m.attempt,
    w."rowsAdded", w."rowsUpdated", w."rowsRemoved", w."rowsTotal", w.bytes, w."committedAt"
  from mine m, jsonb_to_recordset(m.writes) as w("table" text, version bigint, "versionBefore" bigint, operation text,
    "rowsAdded" bigint, "rowsUpdated" bigint, "rowsRemoved" bigint, "rowsTotal" bigint, bytes bigint,
    "committedAt" timestamptz)
  -- one that found nothing to change is recorded with the version that it found
  order by w."table", w.version, w."versionBefore" is distinct from w.version desc, w."committedAt" desc
  ${REPLACING_FORMER} returning table_name, version, version_before, run_id, committed_at, xmax <> 0 as is_another
), told as (
  -- a DAG is not started by what it has written itself
  insert into trigger_events (dag_id, kind, source, event_key, detail, seen_at)
  select s.dag_id, 'table', s.source, w.version::text,
    jsonb_build_object('table', s.source, 'version', w.version, 'from_version', w.version_before), greatest($2, w.committed_at)
  from kept_writes w join trigger_sources s on s.kind = 'table' and s.source = w.table_name
  where split_part(w.run_id, '-', 1) <> s.dag_id
  -- of a table that was made anew: the event of the former one of its name is this one's from now on
  on conflict on constraint one_event do update set detail = excluded.detail, seen_at = excluded.seen_at, run_id = null, dropped_at = null
  where exists (select 1 from kept_writes w where w.is_another and w.table_name = excluded.source
    and w.version::text = excluded.event_key and w.committed_at > trigger_events.seen_at)
), kept_checks as (
  insert into check_results (run_id, task_id, attempt, position, table_name, name, kind, severity, passed, failing_rows,
    measured, sample, message, checked_at)
  select m.run_id, m.task_id, m.attempt, c.position, c."table", c.name, c.kind, c.severity, c.passed, c."failingRows",
    c.measured, c.sample, c.message, m.ended_at
  from mine m, jsonb_to_recordset(m.checks) as c(position int, "table" text, name text, kind text, severity text,
    passed boolean, "failingRows" bigint, measured jsonb, sample jsonb, message text) on conflict do nothing
)`

const RECORDED = `
select position from input i
where position in (select position from mine)
  -- the same report once more, after an answer that got lost, or twice in one batch
  or (select a.claim_token = i.claim_token and a.result = i.result and a.ended_at = i.ended_at from attempts a
    where a.run_id = i.run_id and a.task_id = i.task_id and a.attempt = i.attempt)
  or exists (select 1 from mine m where m.claim_token = i.claim_token and m.result = i.result and m.ended_at = i.ended_at)`

/** The texts are made once, and so are their plans. */
const RECORD_OUTCOMES = `${RECORDING}${RECORDED}`
const RECORD_OUTCOMES_AND_FACTS = `${RECORDING}${KEEPING_FACTS}${RECORDED}`

/** Rows are locked in one order everywhere (tasks, then attempts), so that two writers cannot wait for each other. */
const LOCK_CLAIMS = `select 1 from task_runs t
  join jsonb_to_recordset($1::jsonb) as c(run_id text, task_id text) on t.run_id = c.run_id and t.task_id = c.task_id
  order by t.run_id, t.task_id for update of t`

type Recorded = Parameters<ClaimStore['recordOutcomes']>[0]

/** Records how attempts ended (`ClaimStore.recordOutcomes`), with what they did to tables. */
export async function recordOutcomes(
  database: Database,
  outcomes: Recorded,
  now: Instant,
): Promise<('recorded' | 'lost_claim')[]> {
  const input = json(outcomes.map(toInput))
  const record: SqlStatement = outcomes.some(hasFacts)
    ? { sql: RECORD_OUTCOMES_AND_FACTS, params: [input, sqlInstant(now)] }
    : { sql: RECORD_OUTCOMES, params: [input] }
  const results = database.exclusive
    ? [await database.query(record.sql, record.params)]
    : await database.transaction([{ sql: LOCK_CLAIMS, params: [input] }, record])
  const recorded = new Set((results.at(-1) ?? []).map((row) => row.position))
  return outcomes.map((_, position) => (recorded.has(position) ? 'recorded' : 'lost_claim'))
}

function hasFacts({ facts: { reads, writes, checks } }: Recorded[number]): boolean {
  return reads.length > 0 || writes.length > 0 || checks.length > 0
}

/** One element of the JSON parameter of `RECORD_OUTCOMES`. */
function toInput(recorded: Recorded[number], position: number): object {
  const { outcome, facts } = recorded
  return {
    position,
    run_id: recorded.runId,
    task_id: recorded.taskId,
    attempt: recorded.attempt,
    claim_token: recorded.claimToken,
    result: outcome.result,
    reason: outcome.reason,
    retryable: outcome.retryable,
    outputs: outcome.outputs,
    started_at: jsonInstant(outcome.startedAt ?? null),
    ended_at: jsonInstant(outcome.endedAt),
    wake_at: jsonInstant(outcome.wakeAt ?? null),
    waits_for: outcome.waitsFor ?? null,
    rendered: facts.rendered,
    log_lines: facts.logLines,
    log_bytes: facts.logBytes,
    metrics: facts.metrics,
    input_key: facts.inputKey ?? null,
    reads: facts.reads,
    writes: facts.writes.map((write) => ({ ...write, committedAt: jsonInstant(write.committedAt) })),
    checks: facts.checks.map((check, index) => ({ ...check, position: index })),
  }
}
