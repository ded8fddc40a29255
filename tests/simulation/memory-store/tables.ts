import type { Instant, Json, JsonObject } from '../../../json.js'
import type { LookWait } from '../../../operators/wait.js'
import type { AttemptOutcome, EventDetail, EventKind, Run, TaskRun } from '../../../scheduler/core/model.js'
import type { SlaKind } from '../../../scheduler/core/sla.js'
import type { Dag, Overlap, Problem } from '../../../scheduler/dag/model.js'
import type { AuditEntry, Role } from '../../../scheduler/store/account-store.js'
import type { Alert, Mute } from '../../../scheduler/store/alert-store.js'
import type { Backfill } from '../../../scheduler/store/backfill-store.js'
import type { LeftWork } from '../../../scheduler/store/left-work-store.js'
import type { NewSla } from '../../../scheduler/store/sla-store.js'
import type { AttemptFacts, RegisteredDag, TableWrite, WorkerInfo } from '../../../scheduler/store/store.js'
import type { TriggerSource } from '../../../scheduler/store/trigger-store.js'
import type { StoreGuard } from './guards.js'

export interface RunRow {
  run: Run
  backfillId: number | null
  maxActiveRuns: number
  maxActiveTasks: number
  overlap: Overlap
  dependsOnPast: 'no' | 'tasks' | 'run'
  runTimeoutMs: number | null
  /** in the order of the DAG */
  tasks: Map<string, TaskRow>
}

export interface Claim {
  token: string
  workerId: string
  epoch: number
  /** null once the outcome is recorded */
  leaseUntil: Instant | null
}

export interface TaskRow {
  runId: string
  dagId: string
  pool: string
  poolSlots: number
  queue: string
  priority: number
  /** replaced, never changed in place: snapshots share it */
  task: TaskRun
  claim: Claim | null
  /** of an item its value */
  item: Json
  handle: Json
  /** what it waited for has come to this */
  woken: Json
  progress: Json
}

/** What `looks` holds. */
export interface LookRow {
  queue: string
  condition: Pick<LookWait, 'operator' | 'condition' | 'folder' | 'weight'>
  table: string
  everyMs: number
  seen: JsonObject
  detail: string
  nextLookAt: Instant
}

export interface AttemptRow {
  runId: string
  taskId: string
  attempt: number
  generation: number
  token: string
  workerId: string
  epoch: number
  claimedAt: Instant
  outcome: AttemptOutcome | null
  settled: boolean
  facts: AttemptFacts | null
}

export type BackfillRow = Omit<Backfill, 'runs'>

export interface SlaRow extends NewSla {
  runId: string
  dagId: string
  revision: number
  lookedAt: Instant
  p50At: Instant | null
  p90At: Instant | null
  sent: SlaKind[]
  closedAt: Instant | null
}

export interface SourceRow extends TriggerSource {
  nextLookAt: Instant | null
}

export interface EventRow {
  id: number
  dagId: string
  kind: EventKind
  source: string
  key: string
  detail: EventDetail
  seenAt: Instant
  runId: string | null
  dropped: boolean
  goneAt: Instant | null
}

export interface SecretRow {
  kind: 'login_link' | 'session' | 'api_token'
  user: string
  expiresAt: Instant | null
}

export interface AlertMessage {
  id: number
  key: string
  destination: string
  state: 'waiting' | 'sent' | 'dead'
  byHand: boolean
  alerts: number
  attempts: number
  nextAttemptAt: Instant
  claim: { token: string; until: Instant } | null
  problem: string
  createdAt: Instant
  endedAt: Instant | null
}

export interface AlertDelivery {
  alertId: number
  destination: string
  state: 'waiting' | 'in_message' | 'muted' | 'acknowledged' | 'off'
  since: Instant
  messageId: number | null
}

/** The rows of the memory store; the files beside this one each hold the queries of one aggregate. */
export class Tables {
  readonly dags = new Map<string, RegisteredDag>()
  readonly versions = new Map<string, Dag>()
  problems: Problem[] = []
  readonly pools = new Map<string, number>([['default', 128]])
  readonly runs = new Map<string, RunRow>()
  readonly backfills = new Map<number, BackfillRow>()
  readonly backfillKeys = new Map<string, { id: number; requestHash: string }>()
  readonly looks = new Map<string, LookRow>()
  readonly leftWork = new Map<string, { work: LeftWork; queue: string; nextTryAt: Instant }>()
  /** by DAG, kind and source */
  readonly sources = new Map<string, SourceRow>()
  /** by DAG, kind, source and key */
  readonly events = new Map<string, EventRow>()
  #events = 0
  readonly keys = new Map<string, { requestHash: string; runId: string }>()
  /** by run, then by `task/attempt` */
  readonly attempts = new Map<string, Map<string, AttemptRow>>()
  readonly slas = new Map<string, SlaRow>()
  readonly workers = new Map<string, WorkerInfo>()
  readonly users = new Map<string, { role: Role; createdAt: Instant }>()
  readonly secrets = new Map<string, SecretRow>()
  readonly audit: (AuditEntry & { at: Instant })[] = []
  readonly tableWrites: (TableWrite & { user: string; reason: string })[] = []
  alerts: Alert[] = []
  readonly alertKeys = new Set<string>()
  lastAlert = 0
  lastMessage = 0
  readonly messages = new Map<number, AlertMessage>()
  deliveries: AlertDelivery[] = []
  readonly mutes: Mute[] = []
  epoch = 0
  #tokens = 0
  readonly #without: ReadonlySet<StoreGuard>

  constructor(without: readonly StoreGuard[]) {
    this.#without = new Set(without)
  }

  /** whether a promise is kept; false for the guards this store was built without */
  guards(guard: StoreGuard): boolean {
    return !this.#without.has(guard)
  }

  newToken(): string {
    this.#tokens += 1
    return `claim-${this.#tokens}`
  }

  /** runs neither ended nor without something unsettled are few, so a scan over them stays cheap */
  *activeRuns(): Generator<RunRow> {
    for (const row of this.runs.values()) {
      if (row.run.state === 'queued' || row.run.state === 'running') yield row
    }
  }

  /** @returns false when the event is known already */
  addEvent(event: Pick<EventRow, 'dagId' | 'kind' | 'source' | 'key' | 'detail' | 'seenAt'>): boolean {
    const { dagId, kind, source, key } = event
    let id = `${dagId} ${kind} ${source} ${key}`
    if (this.events.has(id) && this.guards('unique_event')) return false
    this.#events += 1
    if (this.events.has(id)) id += ` ${this.#events}`
    this.events.set(id, { ...event, id: this.#events, runId: null, dropped: false, goneAt: null })
    return true
  }

  task(runId: string, taskId: string): TaskRow | undefined {
    return this.runs.get(runId)?.tasks.get(taskId)
  }

  attempt(runId: string, taskId: string, attempt: number): AttemptRow | undefined {
    return this.attempts.get(runId)?.get(`${taskId}/${attempt}`)
  }

  removeAttempt(runId: string, taskId: string, attempt: number): void {
    this.attempts.get(runId)?.delete(`${taskId}/${attempt}`)
  }

  addAttempt(row: AttemptRow): void {
    const rows = this.attempts.get(row.runId) ?? new Map<string, AttemptRow>()
    this.attempts.set(row.runId, rows.set(`${row.taskId}/${row.attempt}`, row))
  }

  unsettled(runId: string): AttemptRow[] {
    return [...(this.attempts.get(runId)?.values() ?? [])].filter(
      ({ outcome, settled }) => outcome !== null && !settled,
    )
  }
}

/** Compares instants, the earliest first; ties by `key`, so that every order is total. */
export function byInstant<Row>(instant: (row: Row) => Instant, key: (row: Row) => string): (a: Row, b: Row) => number {
  return (a, b) => instant(a) - instant(b) || (key(a) < key(b) ? -1 : 1)
}
