import type { Instant, Json, JsonObject } from '../../json.js'
import type { Weight } from '../../operators/operator.js'
import type { ChildWait, LookWait } from '../../operators/wait.js'
import type { ParentTask } from '../core/model.js'

/** A child run that is to be made for a deferred task. */
export interface ChildToMake {
  runId: string
  taskId: string
  attempt: number
  generation: number
  wait: ChildWait
  /** data interval of the run that the task belongs to */
  intervalStart: Instant
  intervalEnd: Instant
}

/** A condition outside whose time to be looked at has come. */
export interface DueLook {
  key: string
  condition: Pick<LookWait, 'operator' | 'condition' | 'folder' | 'weight'>
  seen: JsonObject
}

/** What a look has found; with `met` all that wait for it are woken by it. */
export interface LookResult {
  key: string
  /** given to those who wait; null when what they wait for has not come */
  met: Json
  seen: JsonObject
  /** one sentence for the page */
  detail: string
}

/** What deferred tasks wait for. Waking sets a task's `notBefore` to now; the next decision about its run moves it on. */
export interface WaitStore {
  /**
   * Wakes deferred tasks that wait for a run which is there as they want it, and sees that whatever others wait for outside
   * is looked at. Conditions are compared with what the store holds, so nothing is lost by asking late or twice.
   * @param which tasks of these runs, and those that hang on one of `on` (`dag:sales`); null for all
   * @returns the runs to settle
   */
  wakeWaiting(which: { runs: string[]; on: string[] } | null, now: Instant): Promise<string[]>
  /** Wakes one task, if it is still deferred by this attempt and nothing has woken it. */
  wakeTask(
    task: { runId: string; taskId: string; attempt: number },
    woken: JsonObject,
    now: Instant,
  ): Promise<'woken' | 'moved'>
  /** deferred tasks whose child run has not been made */
  childrenToMake(limit: number): Promise<ChildToMake[]>
  /** active runs whose parent task waited for them and was cancelled, or cleared since */
  childrenToCancel(limit: number): Promise<{ runId: string; parent: ParentTask }[]>
  /**
   * Takes looks of one weight that are due, the longest due first; whoever takes one has `leaseMs` before it is due again.
   * One that is further off than its period by `SET_BACK_MS` is due too.
   * Looks that nobody waits for go.
   */
  dueLooks(
    queues: readonly string[],
    options: { now: Instant; leaseMs: number; limit: number; weight: Weight },
  ): Promise<DueLook[]>
  nextLookAt(queues: readonly string[], weight: Weight): Promise<Instant | null>
  /** Keeps what looks have found, sets the next ones, and wakes who waits for what has come. @returns the runs to settle */
  recordLooks(results: readonly LookResult[], now: Instant): Promise<string[]>
  /** makes the looks at these tables due; true when there are any */
  hastenLooks(tables: readonly string[], now: Instant): Promise<boolean>
}
