import type { JsonSchema } from '../../json.js'
import { ALERT_KINDS } from '../../scheduler/core/alert.js'
import { RUN_STATES, TASK_STATES } from '../../scheduler/core/model.js'
import { MESSAGE_STATES } from '../../scheduler/store/alert-store.js'
import { BACKFILL_CHOICES, BACKFILL_STATES } from '../../scheduler/store/backfill-store.js'

const text: JsonSchema = { type: 'string' }
const whole: JsonSchema = { type: 'integer' }
const truth: JsonSchema = { type: 'boolean' }
const instant: JsonSchema = { type: 'string', format: 'date-time' }
const anything: JsonSchema = { type: 'object', additionalProperties: true }
const orNull = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: 'null' }] })
const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items })

/** An object with exactly these properties, all there. */
function exactly(properties: Record<string, JsonSchema>): JsonSchema {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

/** What a paused DAG has missed. */
export const MISSED: JsonSchema = exactly({
  slots: whole,
  first_due: orNull(instant),
  last_due: orNull(instant),
  makes: whole,
})

const runEntry = {
  run: text,
  dag: text,
  state: { enum: [...RUN_STATES] },
  due: instant,
  started_at: orNull(instant),
  ended_at: orNull(instant),
}

const task = exactly({
  task: text,
  state: { enum: [...TASK_STATES] },
  attempt: whole,
  started_at: orNull(instant),
  ended_at: orNull(instant),
  reason: text,
  tables: list(
    exactly({
      table: text,
      version: whole,
      version_before: orNull(whole),
      rows_added: whole,
      rows_updated: whole,
      rows_removed: whole,
    }),
  ),
  checks: list(
    exactly({
      name: text,
      table: text,
      severity: { enum: ['error', 'warn'] },
      passed: truth,
      failing_rows: whole,
      measured: anything,
      sample: list(anything),
      message: text,
    }),
  ),
})

/** The shapes of `scheduler/shapes.ts` as JSON Schema, by name; `openapi.json` holds them under `components`. */
export const SCHEMAS = {
  Dag: exactly({
    dag: text,
    file: text,
    version: text,
    description: text,
    owner: text,
    tags: list(text),
    schedule: orNull(
      exactly({
        cron: orNull(text),
        crons: list(text),
        every: orNull(text),
        timezone: text,
        skip: list(text),
        business_days: truth,
        end: orNull(instant),
      }),
    ),
    paused: truth,
    pause_reason: text,
    present: truth,
    next_due: orNull(instant),
    params: anything,
    tasks: list(exactly({ task: text, operator: text, needs: list(text) })),
  }),
  Problem: exactly({
    file: text,
    line: whole,
    column: whole,
    path: text,
    severity: { enum: ['error', 'warning'] },
    message: text,
    hint: text,
  }),
  RunListEntry: exactly(runEntry),
  Run: exactly({
    ...runEntry,
    kind: { enum: ['scheduled', 'manual', 'backfill', 'triggered'] },
    version: text,
    interval: exactly({ start: instant, end: instant }),
    params: anything,
    triggered_by: text,
    trigger: orNull(anything),
    reason: text,
    tasks: list(task),
  }),
  Task: task,
  Attempt: exactly({
    attempt: whole,
    generation: whole,
    worker: text,
    result: orNull(text),
    reason: text,
    started_at: instant,
    ended_at: orNull(instant),
    log_lines: whole,
  }),
  Item: exactly({
    task: text,
    item: {},
    state: { enum: [...TASK_STATES] },
    attempt: whole,
    started_at: orNull(instant),
    ended_at: orNull(instant),
    reason: text,
  }),
  Approval: exactly({
    dag: text,
    run: text,
    task: text,
    message: text,
    role: { enum: ['operator', 'admin'] },
    users: list(text),
    since: instant,
    until: orNull(instant),
  }),
  LogLine: exactly({ line: whole, at: instant, level: { enum: ['debug', 'info', 'warn', 'error'] }, message: text }),
  Table: exactly({
    table: text,
    format: text,
    version: whole,
    rows: orNull(whole),
    bytes: whole,
    files: whole,
    changed_at: instant,
    location: text,
  }),
  TableVersion: exactly({
    version: whole,
    committed_at: instant,
    operation: text,
    run: orNull(text),
    task: orNull(text),
    attempt: orNull(whole),
    user: orNull(text),
    reason: text,
    rows_added: orNull(whole),
    rows_updated: orNull(whole),
    rows_removed: orNull(whole),
  }),
  Worker: exactly({
    worker: text,
    host: text,
    pid: whole,
    queues: list(text),
    slots: whole,
    busy: whole,
    started_at: instant,
    heartbeat_at: instant,
  }),
  Alert: exactly({
    alert: whole,
    key: text,
    kind: { enum: [...ALERT_KINDS] },
    dag: orNull(text),
    run: orNull(text),
    task: orNull(text),
    subject: text,
    raised_at: instant,
    payload: { type: 'object' },
    acknowledged_by: orNull(text),
    deliveries: list(exactly({ to: text, state: text, message: orNull(whole) })),
  }),
  AlertMessage: exactly({
    message: whole,
    to: text,
    state: { enum: [...MESSAGE_STATES] },
    alerts: whole,
    attempts: whole,
    next_attempt_at: orNull(instant),
    problem: text,
    created_at: instant,
    ended_at: orNull(instant),
  }),
  AlertMute: exactly({
    mute: whole,
    dag: text,
    task: orNull(text),
    until: instant,
    reason: text,
    created_by: text,
    created_at: instant,
  }),
  Backfill: exactly({
    backfill: whole,
    dag: text,
    state: { enum: [...BACKFILL_STATES] },
    which: { enum: [...BACKFILL_CHOICES] },
    from: instant,
    to: instant,
    reverse: truth,
    max_active: whole,
    intervals: whole,
    passed: whole,
    runs: exactly(Object.fromEntries(RUN_STATES.map((state) => [state, whole]))),
    created_by: text,
    created_at: instant,
    ended_at: orNull(instant),
  }),
  ClearedRuns: exactly({
    dag: text,
    before: instant,
    cleared: list(exactly({ run: text, tasks: list(text) })),
    next: orNull(text),
  }),
  BackfillPreview: exactly({
    backfill: orNull(whole),
    dag: text,
    intervals: whole,
    good: whole,
    failed: whole,
    missing: whole,
    makes: whole,
    first_due: orNull(instant),
    last_due: orNull(instant),
    max_active: whole,
  }),
  DagSchedule: exactly({
    upcoming: list(exactly({ due: instant, start: instant, end: instant })),
    missed: MISSED,
  }),
  ProblemDocument: {
    type: 'object',
    properties: { type: text, title: text, status: whole, detail: text, code: text, hint: text },
    required: ['type', 'title', 'status', 'detail', 'code', 'hint'],
  },
} as const satisfies Record<string, JsonSchema>

export type SchemaName = keyof typeof SCHEMAS

/** A reference to one of SCHEMAS, as `openapi.json` resolves it. */
export function schemaRef(name: SchemaName): JsonSchema {
  return { $ref: `#/components/schemas/${name}` }
}

/** A body: every property may be left out unless named in `required`; unknown ones are refused. */
export function body(properties: Record<string, JsonSchema>, required: string[] = []): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false }
}

export const TASK_LIST: JsonSchema = { anyOf: [{ type: 'array', items: text, minItems: 1 }, { type: 'null' }] }
export const PARAMS: JsonSchema = { type: 'object', additionalProperties: true }
export const INTERVAL: JsonSchema = orNull(exactly({ start: text, end: text }))
