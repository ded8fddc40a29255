import { describe, expect, it } from 'vitest'
import { applied } from '../../../scheduler/core/apply.js'
import { decide } from '../../../scheduler/core/decide.js'
import type { TaskRun } from '../../../scheduler/core/model.js'
import type { Task } from '../../../scheduler/dag/model.js'
import { dag, NOW, snapshot, task } from './dags.js'

const followed = (...follow: string[]): Partial<TaskRun> => ({ state: 'success', attempt: 1, outputs: { follow } })
const branch = (id: string, needs: string[] = []) => task(id, needs, { operator: 'branch' })

function statesOf(tasks: Task[], states: Record<string, Partial<TaskRun>>): Record<string, string> {
  const before = snapshot(dag('sales', tasks), states)
  const after = applied(
    before,
    decide(before, NOW, () => 0),
    NOW,
  )
  return Object.fromEntries(after.tasks.map(({ taskId, state, reason }) => [taskId, `${state}: ${reason}`]))
}

const READY = 'scheduled: waits for a slot in pool default'

describe('branches', () => {
  const tasks = [branch('pick'), task('a', ['pick']), task('b', ['pick']), task('after_b', ['b'])]

  it('skip what they do not follow, and what hangs on that by its rule', () => {
    expect(statesOf(tasks, { pick: followed('a') })).toMatchObject({
      a: READY,
      b: 'skipped: branch pick does not follow it',
      after_b: 'skipped: upstream b was skipped, rule all_success',
    })
  })

  it('skip all when they follow none', () => {
    expect(statesOf(tasks, { pick: followed() })).toMatchObject({
      a: expect.stringMatching(/^skipped/),
      b: expect.stringMatching(/^skipped/),
    })
  })

  it('wait until they have chosen, and choose nothing when they are marked', () => {
    expect(statesOf(tasks, { pick: { state: 'running' } })).toMatchObject({ a: 'none: waits for pick' })
    expect(statesOf(tasks, { pick: { state: 'success' } })).toMatchObject({ a: READY, b: READY })
  })

  it('leave in what a followed task leads to, although the branch stands right before it', () => {
    const join = [branch('pick'), task('a', ['pick']), task('join', ['pick', 'a'])]
    expect(statesOf(join, { pick: followed('a') })).toMatchObject({ join: 'none: waits for a' })
    expect(statesOf(join, { pick: followed('join') })).toMatchObject({ a: expect.stringMatching(/^skipped/) })
  })

  it('count for more than a rule that would run whatever came before', () => {
    const always = [branch('pick'), task('a', ['pick'], { triggerRule: 'always' })]
    expect(statesOf(always, { pick: followed() })).toMatchObject({ a: expect.stringMatching(/^skipped/) })
  })
})
