import { setTimeout as delay } from 'node:timers/promises'
import { type Measurement, milliseconds, percentile } from '../figure.js'
import { Subject } from '../subject.js'

const SECONDS = 60
const DAY_MS = 86_400_000

/** How late the runs of one DAG are done while a big backfill of another one goes on. */
export const backfill: Measurement = {
  id: 'backfill',
  async run() {
    const tasks = Array.from({ length: 8 }, (_, index) => `  t${index}: { bash: ["true"] }\n`).join('')
    const subject = await Subject.create({
      'dags/big.yaml': `dag: big\nschedule: "*/5 * * * *"\nmax_active_runs: 16\ntasks:\n${tasks}`,
      'dags/live.yaml':
        'dag: live\nschedule: "*/2 * * * * *"\nmax_active_runs: 10\ntasks:\n  only: { bash: ["true"] }\n',
    })
    try {
      await subject.up(4)
      await subject.hasDags(2)
      const [from, to] = [Date.now() - 30 * DAY_MS, Date.now()].map((instant) => new Date(instant).toISOString())
      await subject.post('/dags/big/backfills', { from, to })
      await delay(SECONDS * 1_000)
      const live = (await subject.runs('dag=live&limit=100')).filter((run) => run.ended_at !== null)
      const made = (await subject.runs('dag=big&limit=1000')).length
      if (live.length < SECONDS / 2 - 3 || made < 50) throw new Error(`only ${live.length} and ${made} runs`)
      const late = live.map((run) => Date.parse(run.started_at ?? '') - Date.parse(run.due))
      const done = live.map((run) => Date.parse(run.ended_at ?? '') - Date.parse(run.due))
      const worst = Math.max(...done)
      return [
        {
          name: 'delay of due runs by a backfill of 8,640 runs of another DAG',
          bar: '<= 2 s',
          measured: `started p99 ${milliseconds(percentile(late, 99))} late, done at most ${milliseconds(worst)}`,
          met: worst <= 2_000,
          method: `${live.length} runs of one task, due every two seconds, from due to done, beside ${made} runs of eight tasks on 4 slots`,
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}
