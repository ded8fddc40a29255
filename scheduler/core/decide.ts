import type { Instant } from '../../json.js'
import type { Task } from '../dag/model.js'
import { Branches } from './branch.js'
import { cancelTasks } from './cancel.js'
import { RunDraft } from './draft.js'
import { finishRun } from './finish.js'
import { advanceItems, expand, isDue, removeItems } from './items.js'
import type { Decision, RunSnapshot } from './model.js'
import { waitsForPast } from './past.js'
import { ruledOut, timedOut, waitsForSlot, waitsForUpstream } from './reasons.js'
import type { Random } from './retry.js'
import { settleOutcomes } from './settle.js'
import { countUpstream, judge } from './trigger-rule.js'

/**
 * What is to be done about one run now: outcomes are settled, tasks whose upstream allows it become `scheduled`, what
 * can no longer run is skipped or `upstream_failed`, and a run whose tasks have all ended ends. Deciding again on the
 * result gives nothing new. Only `random` (the jitter of retries) and `now` come from outside.
 * @param snapshot a whole one: nothing is set aside
 */
export function decide(snapshot: RunSnapshot, now: Instant, random: Random): Decision {
  return drafted(snapshot, now, random).decision()
}

/** The same from a snapshot that may have set items aside; null when the decision needs more of them than it shows. */
export function decideFromPart(snapshot: RunSnapshot, now: Instant, random: Random): Decision | null {
  const draft = drafted(snapshot, now, random)
  return draft.lacksItems ? null : draft.decision()
}

function drafted(snapshot: RunSnapshot, now: Instant, random: Random): RunDraft {
  const draft = new RunDraft(snapshot)
  settleOutcomes(draft, snapshot.outcomes, now, random)
  timeOut(draft, now)
  if (draft.run.cancelRequested) cancelTasks(draft, now)
  else if (draft.run.state === 'running') advance(draft, now)
  finishRun(draft, now)
  draft.run.unsettled = false
  return draft
}

/**
 * One pass is enough because upstream tasks come first. A task that is `scheduled`, whose retry has come or that wakes is judged
 * again, because a clear or a mark may have changed what lies upstream of it; once `queued` it runs.
 */
function advance(draft: RunDraft, now: Instant): void {
  const branches = new Branches(draft)
  for (const { task, now: taskRun } of draft.tasks()) {
    if (task.forEach !== null && taskRun.state === 'deferred') {
      advanceItems(draft, task, task.forEach, now, waitsForSlot(task))
      continue
    }
    const retryDue = taskRun.state === 'up_for_retry' && (taskRun.notBefore ?? now) <= now
    const wakes = taskRun.state === 'deferred' && isDue(taskRun, now)
    if (taskRun.state !== 'none' && taskRun.state !== 'scheduled' && !retryDue && !wakes) continue
    const branch = branches.leavingOut(task)
    if (branch !== null) {
      ruleOut(draft, task, 'skipped', `branch ${branch} does not follow it`, now)
      continue
    }
    const upstream = draft.upstream(task)
    const verdict = judge(task.triggerRule, countUpstream(upstream))
    if (verdict === 'ready') {
      const past = waitsForPast(task, draft.past)
      if (past !== null) {
        draft.set(task.id, { state: 'none', notBefore: null, reason: past })
        continue
      }
      if (task.forEach !== null) {
        expand(draft, task, task.forEach, now)
        advanceItems(draft, task, task.forEach, now, waitsForSlot(task))
        continue
      }
      if (taskRun.state === 'scheduled') continue
      draft.set(task.id, { state: 'scheduled', notBefore: null, reason: waitsForSlot(task) })
    } else if (verdict === 'wait') {
      draft.set(task.id, { state: 'none', notBefore: null, reason: waitsForUpstream(upstream) })
    } else {
      ruleOut(draft, task, verdict, ruledOut(task, verdict, upstream), now)
    }
  }
}

/** A run that is on for longer than it may be is cancelled, and has failed. */
function timeOut(draft: RunDraft, now: Instant): void {
  const { run } = draft
  const at = draft.timesOutAt()
  if (at === null || now < at) return
  run.timedOut = true
  run.cancelRequested = true
  run.reason = timedOut(draft.dag.runTimeoutMs ?? 0)
}

function ruleOut(
  draft: RunDraft,
  task: Task,
  state: 'skipped' | 'upstream_failed',
  reason: string,
  now: Instant,
): void {
  if (task.forEach !== null && !removeItems(draft, task)) return
  draft.set(task.id, { state, notBefore: null, endedAt: now, reason })
}
