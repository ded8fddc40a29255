import { afterAll, beforeAll, expect, it } from 'vitest'
import * as timetable from '../../scheduler/dag/schedule.js'
import { Events } from '../../scheduler/events.js'
import { DagVersions } from '../../scheduler/loop/dag-versions.js'
import { DueRuns } from '../../scheduler/loop/due-runs.js'
import { percentile } from '../bench/figure.js'
import { cronSchedule, dag, task } from '../scheduler/core/dags.js'
import { NOW } from './sample-store.js'
import { SampleWeb } from './sample-web.js'

const DAY = 86_400_000
const web = new SampleWeb()
beforeAll(async () => {
  await web.open()
  await web.start()
}, 60_000)
afterAll(() => web.close())

const quiet = () => undefined

/** Makes what is due in the store of the web view, as a scheduler that comes back at `NOW` does. */
async function comeBack(): Promise<void> {
  const ports = {
    store: web.store,
    storeInOrder: true,
    queue: { dispatch: async () => {}, stop: async () => {}, close: async () => {} },
    clock: { now: () => NOW, at: () => quiet },
    events: new Events(),
    timetable,
    random: () => 0,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    debugPoint: quiet,
    projectAlerts: null,
    earlyWarning: 'off' as const,
  }
  const due = new DueRuns(ports, new DagVersions(web.store), { put: () => {} })
  await due.make(quiet)
}

it('30 days without Sluice: one run or 8,640 slots, none lost and none doubled, and pages that stay quick', async () => {
  const schedule = cronSchedule('*/5 * * * *')
  const dags = [dag('one', [task('a')], { schedule }), dag('each', [task('a')], { schedule, catchup: 'all' })]
  const since = timetable.nextDue(schedule, NOW - 30 * DAY)
  const nextDue = { one: since, each: since }
  await web.store.registerDags({ dags, broken: [], problems: [], nextDue }, NOW - 30 * DAY)
  await Promise.all([comeBack(), comeBack()])
  const dues = async (dagId: string) =>
    (await web.store.slotRuns(dagId, NOW - 40 * DAY, NOW + DAY)).map(({ dueAt }) => dueAt)
  expect(await dues('one')).toEqual([timetable.previousDue(schedule, NOW)])
  expect(await dues('each')).toEqual(timetable.dueTicks(schedule, NOW - 30 * DAY, NOW + 1, 10_000))
  const [row] = await web.database.query('select count(*) as runs from runs')
  expect(row).toEqual({ runs: 8_641 })

  const viewer = await web.login('viewer')
  const paths = ['/', '/dags', '/runs', '/dags/each', '/dags/each/runs', '/dags/each/schedule']
  const took: number[] = []
  for (let round = 0; round < 6; round++) {
    for (const path of paths) {
      const before = performance.now()
      await web.page(path, viewer)
      if (round > 0) took.push(performance.now() - before)
    }
  }
  expect(percentile(took, 95)).toBeLessThan(500)
}, 120_000)
