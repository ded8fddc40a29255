import { describe, expect, it } from 'vitest'
import { dueRuns, nextRuns } from '../../cli/due-runs.js'
import { NO_ALERTS } from '../../scheduler/core/alerts.js'
import type { Dag } from '../../scheduler/dag/model.js'
import { intervalOf } from '../../scheduler/dag/schedule.js'
import { cronSchedule } from '../scheduler/core/dags.js'

const dag = (cron: string): Dag => ({
  id: 'minutely',
  version: '',
  file: 'minutely.yaml',
  description: '',
  owner: '',
  tags: [],
  schedule: cronSchedule(cron, 'Europe/Paris'),
  start: null,
  triggers: [],
  catchup: 'none',
  maxActiveRuns: 1,
  maxActiveTasks: 1,
  alerts: NO_ALERTS,
  slas: [],
  overlap: 'queue',
  dependsOnPast: false,
  runTimeoutMs: null,
  params: {},
  tasks: [],
  source: '',
  files: {},
})

const day = { from: Date.UTC(2026, 2, 28, 12), to: Date.UTC(2026, 2, 29, 12) }

describe('due runs', () => {
  it('have the intervals that the scheduler gives them', () => {
    const minutely = dag('*/20 * * * *')
    const runs = dueRuns(minutely, day, 1_000)
    expect(runs).toHaveLength(72)
    for (const run of runs) {
      const { start, end } = intervalOf(cronSchedule('*/20 * * * *', 'Europe/Paris'), Date.parse(run.due))
      expect([Date.parse(run.start), Date.parse(run.end)]).toEqual([start, end])
    }
  })

  it('are the next ones when no end is given', () => {
    const runs = nextRuns({ ...dag('30 2 * * *'), start: Date.UTC(2026, 2, 28, 12) }, Date.UTC(2026, 2, 28), 2)
    expect(runs.map(({ due, start }) => [start, due])).toEqual([
      ['2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'],
      ['2026-03-30T00:30:00.000Z', '2026-03-31T00:30:00.000Z'],
    ])
  })

  it('are refused when there are more than anybody reads', () => {
    expect(dueRuns(dag('*/20 * * * *'), day, 72)).toHaveLength(72)
    expect(() => dueRuns(dag('*/20 * * * *'), day, 71)).toThrow(
      expect.objectContaining({
        code: 'WRONG_USE',
        message: 'minutely is due more than 71 times between --from and --to.',
      }),
    )
  })
})
