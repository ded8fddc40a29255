import { describe, expect, it } from 'vitest'
import type { Recipients } from '../../../scheduler/core/alert.js'
import { alertsOf, NO_ALERTS } from '../../../scheduler/core/alerts.js'
import { decide } from '../../../scheduler/core/decide.js'
import type { AttemptOutcome, RunSnapshot } from '../../../scheduler/core/model.js'
import type { AlertRules, Task } from '../../../scheduler/dag/model.js'
import { dag, NOW, snapshot, task } from './dags.js'

const to = (name: string): Recipients => ({ email: [`${name}@e.org`], webhook: null })
const RUNNING = { state: 'running', attempt: 1, tries: 1 } as const

interface Given {
  ofDag?: Partial<AlertRules>
  ofTask?: Partial<AlertRules>
  task?: Partial<Task>
  project?: Recipients
  outcome?: Partial<AttemptOutcome>
  change?: (before: RunSnapshot) => RunSnapshot
}

/** What is told when the task `load` of a DAG of one ends; `kind to whom` for each. */
function told({ ofDag, ofTask, task: set, project, outcome, change = (same) => same }: Given) {
  const load = task('load', [], { alerts: { ...NO_ALERTS, ...ofTask }, ...set })
  const before = snapshot(dag('sales', [load], { alerts: { ...NO_ALERTS, ...ofDag } }), { load: RUNNING })
  const ended: AttemptOutcome = {
    ...{
      taskId: 'load',
      attempt: 1,
      result: 'failed',
      reason: 'exit code 1',
      retryable: true,
      outputs: {},
      endedAt: NOW,
    },
    ...outcome,
  }
  const settled = change({ ...before, outcomes: [ended] })
  return alertsOf(
    settled,
    decide(settled, NOW, () => 0),
    project ?? null,
  )
}

const words = (given: Given) =>
  told(given).map(({ kind, destinations }) => `${kind} ${destinations.join() || 'nobody'}`)

describe('alerts of a decision', () => {
  it('tell nobody who was not named', () => {
    expect(told({})).toEqual([])
    expect(told({ outcome: { result: 'success' } })).toEqual([])
    expect(words({ ofDag: { onFailure: { email: [], webhook: null } }, project: to('ops') })).toEqual([])
  })

  it('tell of a run that failed: those of the DAG, or else of the project', () => {
    expect(words({ ofDag: { onFailure: to('sales') }, project: to('ops') })).toEqual(['run_failed email sales@e.org'])
    expect(words({ project: to('ops') })).toEqual(['run_failed email ops@e.org'])
    expect(told({ project: to('ops') })[0]).toMatchObject({
      key: 'run_failed sales-20261120T050000Z 1',
      payload: { reason: 'load failed', failed: ['load'] },
      subject: 'sales',
    })
  })

  it('tell of a task that failed at once, and those people not again of its run', () => {
    const given = { ofTask: { onFailure: to('sales') }, ofDag: { onFailure: to('sales') } }
    expect(words(given)).toEqual(['task_failed email sales@e.org', 'run_failed nobody'])
    expect(told(given)[0]).toMatchObject({ taskId: 'load', payload: { attempt: 1, reason: 'exit code 1' } })
    const others = { ...given, ofDag: { onFailure: to('lead') } }
    expect(words(others)).toEqual(['task_failed email sales@e.org', 'run_failed email lead@e.org'])
  })

  it('tell of the run those who heard of one task, when another had failed before: the one may be muted', () => {
    const rules = { ...NO_ALERTS, onFailure: to('sales') }
    const tasks = [task('extract', [], {}), task('load', [], { alerts: rules })]
    const ended = (state: 'failed' | 'success') => {
      const before = snapshot(dag('sales', tasks, { alerts: rules }), { extract: { state, attempt: 1 }, load: RUNNING })
      const outcome: AttemptOutcome = {
        taskId: 'load',
        attempt: 1,
        result: 'failed',
        reason: 'exit code 1',
        retryable: true,
        outputs: {},
        endedAt: NOW,
      }
      const settled = { ...before, outcomes: [outcome] }
      const alerts = alertsOf(
        settled,
        decide(settled, NOW, () => 0),
        null,
      )
      return alerts.map(({ kind, destinations }) => `${kind} ${destinations.join() || 'nobody'}`)
    }
    expect(ended('success')).toEqual(['task_failed email sales@e.org', 'run_failed nobody'])
    expect(ended('failed')).toEqual(['task_failed email sales@e.org', 'run_failed email sales@e.org'])
  })

  it('tell of retries only where somebody asked for it, with the instant of the next', () => {
    const retries = { task: { retries: 2, retryDelayMs: 1_000 } }
    expect(words({ ...retries, ofTask: { onFailure: to('a') }, ofDag: { onFailure: to('b') } })).toEqual([])
    expect(words({ ...retries, ofDag: { onRetry: to('b') } })).toEqual(['task_retry email b@e.org'])
    expect(words({ ...retries, ofTask: { onRetry: to('a') }, ofDag: { onRetry: to('b') } })).toEqual([
      'task_retry email a@e.org',
    ])
    expect(told({ ...retries, ofTask: { onRetry: to('a') } })[0]?.payload).toMatchObject({
      retry_at: new Date(NOW + 1_000).toISOString(),
    })
  })

  it('offer a recovery to those who may have been told of the failure', () => {
    const success = { outcome: { result: 'success' } } as const
    const found = told({ ...success, ofTask: { onFailure: to('a') }, ofDag: { onFailure: to('b') } })
    expect(found.map(({ key, after, destinations }) => [key, after, destinations])).toEqual([
      ['task_recovered sales.load', 'task_failed', ['email a@e.org']],
      ['run_recovered sales', 'run_failed', ['email b@e.org']],
    ])
    expect(words({ ...success, ofDag: { onFailure: to('b'), onRecovery: to('c') } })).toEqual([
      'run_recovered email c@e.org',
    ])
    expect(words({ ...success, project: to('ops') })).toEqual(['run_recovered email ops@e.org'])
  })

  it('keep the failures of backfills apart from those of the schedule', () => {
    const asBackfill = (before: RunSnapshot): RunSnapshot => ({ ...before, run: { ...before.run, kind: 'backfill' } })
    const [failed] = told({ project: to('ops'), change: asBackfill })
    expect(failed?.subject).toBe('sales-20261120T050000Z')
  })

  it('tell of failed checks, also of a task that ended well', () => {
    const checks = { failedChecks: ['not_null id', 'unique id'] }
    const warned = { outcome: { result: 'success', ...checks } } as const
    expect(words({ ...warned, ofDag: { onFailedChecks: to('dq') } })).toEqual(['checks_failed email dq@e.org'])
    expect(told({ ...warned, ofTask: { onFailedChecks: to('dq') } })[0]?.payload).toEqual({
      attempt: 1,
      checks: checks.failedChecks,
    })
    const both = { outcome: checks, ofTask: { onFailedChecks: to('dq'), onFailure: to('a') } }
    expect(words(both)).toEqual(['task_failed email a@e.org', 'checks_failed email dq@e.org'])
    expect(words({ ...both, ofTask: { onFailedChecks: to('a'), onFailure: to('a') } })).toEqual([
      'task_failed email a@e.org',
    ])
  })

  it('are the same whoever decides: deciding again gives no other key', () => {
    const given = { ofTask: { onFailure: to('a') }, project: to('ops') }
    expect(told(given)).toEqual(told(given))
    expect(new Set(told(given).map(({ key }) => key)).size).toBe(2)
  })

  it('leave out what was cancelled, and an attempt that no longer counts', () => {
    const given = { ofTask: { onFailure: to('a') }, project: to('ops') }
    expect(words({ ...given, outcome: { result: 'cancelled' } })).toEqual(['run_failed email ops@e.org'])
    expect(words({ ...given, outcome: { attempt: 9 } })).toEqual([])
  })
})
