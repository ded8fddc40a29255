import type { Instant } from '../../json.js'
import { Branches } from './branch.js'
import { cancelTasks } from './cancel.js'
import { RunDraft } from './draft.js'
import { finishRun } from './finish.js'
import type { Decision, RunSnapshot } from './model.js'
import { ruledOut, waitsForSlot, waitsForUpstream } from './reasons.js'
import type { Random } from './retry.js'
import { settleOutcomes } from './settle.js'
import { countUpstream, judge } from './trigger-rule.js'

/**
 * What is to be done about one run now: outcomes are settled, tasks whose upstream allows it become `scheduled`, what
 * can no longer run is skipped or `upstream_failed`, and a run whose tasks have all ended ends. Deciding again on the
 * result gives nothing new. Only `random` (the jitter of retries) and `now` come from outside.
 */
export function decide(snapshot: RunSnapshot, now: Instant, random: Random): Decision {
  const draft = new RunDraft(snapshot)
  settleOutcomes(draft, snapshot.outcomes, now, random)
  if (draft.run.cancelRequested) cancelTasks(draft, now)
  else if (draft.run.state === 'running') advance(draft, now)
  finishRun(draft, now)
  return draft.decision()
}

/**
 * One pass is enough because upstream tasks come first. A task that is `scheduled` or whose retry has come is judged
 * again, because a clear or a mark may have changed what lies upstream of it; once `queued` it runs.
 */
function advance(draft: RunDraft, now: Instant): void {
  const branches = new Branches(draft)
  for (const { task, now: taskRun } of draft.tasks()) {
    const retryDue = taskRun.state === 'up_for_retry' && (taskRun.notBefore ?? now) <= now
    if (taskRun.state !== 'none' && taskRun.state !== 'scheduled' && !retryDue) continue
    const branch = branches.leavingOut(task)
    if (branch !== null) {
      const reason = `branch ${branch} does not follow it`
      draft.set(task.id, { state: 'skipped', notBefore: null, endedAt: now, reason })
      continue
    }
    const upstream = draft.upstream(task)
    const verdict = judge(task.triggerRule, countUpstream(upstream.map(({ state }) => state)))
    if (verdict === 'ready') {
      if (taskRun.state === 'scheduled') continue
      draft.set(task.id, { state: 'scheduled', notBefore: null, reason: waitsForSlot(task) })
    } else if (verdict === 'wait') {
      draft.set(task.id, { state: 'none', notBefore: null, reason: waitsForUpstream(upstream) })
    } else {
      const reason = ruledOut(task, verdict, upstream)
      draft.set(task.id, { state: verdict, notBefore: null, endedAt: now, reason })
    }
  }
}
