import type { Json, JsonObject } from '../../json.js'
import type { CacheConfig, CatalogConfig, ConnectionConfig } from '../../lakehouse/config.js'
import type { LogLevel } from '../../operators/operator.js'
import type { LogsConfig } from '../config.js'
import type { AttemptOutcome } from '../core/model.js'
import type { Dag, Task } from '../dag/model.js'
import type { LeftWork, LeftWorkKey } from '../store/left-work-store.js'
import type { AttemptFacts, ClaimedTask, EarlierAttempt } from '../store/store.js'
import type { DueLook, LookResult } from '../store/wait-store.js'

/** What the supervisor and its slots say to each other; all of it survives structured cloning. */

/** What a slot needs to know once. */
export interface SlotConfig {
  project: string
  /** absolute path of the DAGs folder */
  dags: string
  logs: LogsConfig
  /** private folders of attempts are made below it */
  work: string
  catalogs: Record<string, CatalogConfig>
  /** secrets unresolved: the slot resolves those that its task uses */
  connections: Record<string, ConnectionConfig>
  cache: CacheConfig
  vars: Record<string, string>
}

/** One attempt to run; `claim.claimToken` names it in everything that follows. */
export interface Assignment {
  claim: ClaimedTask
  /** the pinned version, cut down to what this task needs */
  dag: Dag
  task: Task
  /** outputs of the tasks that the templates use */
  upstream: Record<string, { outputs: JsonObject }>
  /** outside work of earlier generations, to be ended before the operator starts */
  left: LeftWork[]
}

/** Outside work to end. */
export interface LeftAssignment {
  work: LeftWork
  /** the pinned version, cut down to what this task needs */
  dag: Dag
  task: Task
}

/** What came of it. */
export interface LeftEnd {
  /** why the work may still go on; null when it has ended */
  failure: string | null
  /** what there is to tell, secrets masked */
  said: { level: LogLevel; message: string }[]
}

export type StopCode = 'CANCELLED' | 'TIMED_OUT' | 'STATE_CONFLICT'

export type ToSlot =
  | { kind: 'configure'; config: SlotConfig }
  | { kind: 'run'; assignment: Assignment }
  /** conditions to look at, all at once; answered by one `looked` */
  | { kind: 'look'; token: string; looks: DueLook[] }
  /** answered by one `ended` */
  | { kind: 'end'; token: string; left: LeftAssignment }
  | { kind: 'stop'; claimToken: string; code: StopCode; message: string }
  | { kind: 'done_before'; claimToken: string; earlier: EarlierAttempt | null }
  /** the answer to `handle`: null when it is durable, else why it is not */
  | { kind: 'handle_saved'; claimToken: string; handle: number; failure: string | null }

/** How an attempt ended, as far as its slot can say. */
export type SlotOutcome = Pick<AttemptOutcome, 'result' | 'reason' | 'retryable' | 'outputs' | 'wakeAt' | 'waitsFor'>

export type FromSlot =
  | { kind: 'looked'; token: string; results: LookResult[]; memory: number }
  | { kind: 'ended'; token: string; end: LeftEnd; memory: number }
  | { kind: 'logged'; claimToken: string; lines: number }
  | { kind: 'progress'; claimToken: string; progress: JsonObject }
  /** asks for an earlier result of the same inputs; answered by one `done_before` */
  | { kind: 'done_before'; claimToken: string; inputKey: string }
  /** outside work of an earlier generation has ended */
  | { kind: 'left_ended'; claimToken: string; work: LeftWorkKey }
  | { kind: 'handle'; claimToken: string; handle: number; value: Json }
  | {
      kind: 'done'
      claimToken: string
      outcome: SlotOutcome
      facts: AttemptFacts
      /** why the log ends early; null when it is whole */
      logFailure: string | null
      /** resident memory of the slot's process in bytes */
      memory: number
    }
