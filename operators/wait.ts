import type { JsonObject } from '../json.js'
import type { Weight } from './operator.js'

/**
 * What brings a deferred task back, besides an instant. `on` names what it hangs on, so that an event finds those it
 * concerns: `dag:sales`, `look:<key>` or `approval`.
 */
export type Wait = RunWait | ChildWait | LookWait | ApprovalWait

/** A run of another DAG: that of an interval, or the one that was due last. */
export type RunWait = {
  on: string
  kind: 'run'
  dag: string
  /** ISO 8601; null for the run that was due last */
  interval: { start: string; end: string } | null
  /** states of a run that end the wait */
  states: string[]
}

/** A run that the scheduler makes for the task (`trigger_dag`), once for each `key`, and then its end. */
export type ChildWait = {
  on: string
  kind: 'child'
  dag: string
  key: string
  params: JsonObject
  /** the data interval of the child: that of the parent, or the latest complete one of its DAG */
  interval: 'same' | 'latest'
  /** false: the child's start ends the wait, true: its end */
  wait: boolean
}

/** Something outside that workers look at every now and then, together for all tasks that wait for the same. */
export type LookWait = {
  on: string
  kind: 'look'
  /** the same for the same condition */
  key: string
  operator: string
  /** what the operator's `look` is given */
  condition: JsonObject
  /** folder of the DAG file below the DAGs folder, where relative paths start; '' for none */
  folder: string
  /** a commit of Sluice to this table is a reason to look at once; '' for none */
  table: string
  everyMs: number
  /** until the first look; absent for `everyMs`, as the attempt itself has looked */
  firstMs?: number
  /** `heavy`: it needs an engine, and has its turn after other such looks of its worker; absent for light */
  weight?: Weight
  /** what the attempt's own look has seen */
  seen: JsonObject
}

/** A decision by a person. */
export type ApprovalWait = {
  on: 'approval'
  kind: 'approval'
  message: string
  /** who may decide: at least this role, and of them only `users` unless that is empty */
  role: 'operator' | 'admin'
  users: string[]
  onReject: 'fail' | 'skip'
}

/** What one look has found: `met` with what is to be told of it, or what was seen instead. */
export type Look = { met: JsonObject } | { met: null; seen: JsonObject; detail: string }
