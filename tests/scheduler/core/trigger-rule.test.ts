import { describe, expect, it, test } from 'vitest'
import { FINAL_TASK_STATES, TASK_STATES, type TaskState } from '../../../scheduler/core/model.js'
import { countUpstream, judge, type Verdict } from '../../../scheduler/core/trigger-rule.js'
import { TRIGGER_RULES, type TriggerRule } from '../../../scheduler/dag/model.js'
import { mayRun } from './trigger-rule-oracle.js'

/**
 * What Airflow does for two upstream tasks: R not ended, S success, K skipped, F failed, U upstream_failed.
 * Answers: w wait, r ready, s skipped, u upstream_failed.
 */
const PAIRS = 'RR RS RK RF RU SS SK SF SU KK KF KU FF FU UU'
const AIRFLOW: Record<TriggerRule, string> = {
  all_success: ' w  w  s  u  u  r  s  u  u  s  u  u  u  u  u',
  all_done: '    w  w  w  w  w  r  r  r  r  r  r  r  r  r  r',
  all_failed: '  w  s  s  w  w  s  s  s  s  s  s  s  r  r  r',
  one_success: ' w  r  w  w  w  r  r  r  r  s  u  u  u  u  u',
  one_failed: '  w  w  w  r  r  s  s  r  r  s  r  r  r  r  r',
  none_failed: ' w  w  w  u  u  r  r  u  u  r  u  u  u  u  u',
  none_failed_min_one_success: 'w  w  w  u  u  r  r  u  u  s  u  u  u  u  u',
  none_skipped: 'w  w  s  w  w  r  s  r  r  s  s  s  r  r  r',
  always: '      r  r  r  r  r  r  r  r  r  r  r  r  r  r  r',
}
const VERDICTS: Record<string, Verdict> = { w: 'wait', r: 'ready', s: 'skipped', u: 'upstream_failed' }
/** `cancelled` is Sluice's own and counts as failed; each state that is not final counts as not ended. */
const STATES: Record<string, TaskState[]> = {
  R: TASK_STATES.filter((state) => !FINAL_TASK_STATES.includes(state)),
  S: ['success'],
  K: ['skipped'],
  F: ['failed', 'cancelled'],
  U: ['upstream_failed'],
}

const inStates = (...states: TaskState[]) => states.map((state) => ({ state }))

describe.each(TRIGGER_RULES)('%s', (rule) => {
  const answers = AIRFLOW[rule].trim().split(/ +/)
  test.each(PAIRS.split(' ').map((pair, index) => ({ pair, verdict: VERDICTS[answers[index] ?? ''] })))(
    'upstream $pair: $verdict',
    ({ pair, verdict }) => {
      for (const first of STATES[pair.charAt(0)] ?? []) {
        for (const second of STATES[pair.charAt(1)] ?? []) {
          expect(judge(rule, countUpstream(inStates(first, second)))).toBe(verdict)
          expect(judge(rule, countUpstream(inStates(second, first)))).toBe(verdict)
        }
      }
    },
  )

  it('is ready without upstream tasks', () => {
    expect(judge(rule, countUpstream(inStates()))).toBe('ready')
  })

  it('is ready exactly when its sentence is true, for every combination of three upstream tasks', () => {
    for (const a of TASK_STATES) {
      for (const b of TASK_STATES) {
        for (const c of TASK_STATES) {
          expect([a, b, c, judge(rule, countUpstream(inStates(a, b, c))) === 'ready']).toEqual([
            a,
            b,
            c,
            mayRun(rule, [a, b, c]),
          ])
        }
      }
    }
  })

  it('never waits once all upstream tasks have ended', () => {
    for (const a of FINAL_TASK_STATES) {
      for (const b of FINAL_TASK_STATES) expect(judge(rule, countUpstream(inStates(a, b)))).not.toBe('wait')
    }
  })
})
