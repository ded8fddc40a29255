import { setTimeout as delay } from 'node:timers/promises'
import { type Measurement, milliseconds, percentile } from '../figure.js'
import { Subject } from '../subject.js'

const DAGS = 50
const MINUTES = 3

/** How late the runs of 50 every-minute DAGs start. */
export const cron: Measurement = {
  id: 'cron',
  async run() {
    const files: Record<string, string> = {}
    for (let index = 0; index < DAGS; index++) {
      files[`dags/m${index}.yaml`] = `dag: m${index}\nschedule: "* * * * *"\ntasks:\n  only: { bash: ["true"] }\n`
    }
    const subject = await Subject.create(files)
    try {
      await subject.up(16)
      await subject.hasDags(DAGS)
      await delay(MINUTES * 60_000 + 5_000)
      const runs = (await subject.runs(`limit=${DAGS * (MINUTES + 1)}`)).filter((run) => run.started_at !== null)
      if (runs.length < DAGS * MINUTES) throw new Error(`only ${runs.length} runs in ${MINUTES} minutes`)
      const late = runs.map((run) => Date.parse(run.started_at ?? '') - Date.parse(run.due))
      const worst = percentile(late, 99)
      return [
        {
          name: 'cron punctuality, 50 DAGs every minute',
          bar: 'p99 <= 100 ms late',
          measured: `p50 ${milliseconds(percentile(late, 50))}, p99 ${milliseconds(worst)}`,
          met: worst <= 100 && Math.min(...late) >= 0,
          method: `recorded start of ${runs.length} runs against their due instants`,
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}
