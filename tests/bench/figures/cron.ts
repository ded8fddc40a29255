import { setTimeout as delay } from 'node:timers/promises'
import type { RunListEntry } from '../../../scheduler/shapes.js'
import { type Figure, type Measurement, milliseconds, percentile } from '../figure.js'
import { Subject } from '../subject.js'

const EVERY_MINUTE = 50
const HOURLY = 950
const MINUTES = 3

/** How late the runs of 50 every-minute DAGs start. */
export const cron: Measurement = {
  id: 'cron',
  run: async () => [await punctuality('cron punctuality, 50 DAGs every minute', 0)],
}

/** The same beside 950 others that are due once an hour each. */
export const cronAmongMany: Measurement = {
  id: 'cron-1000',
  run: async () => [await punctuality('cron punctuality, 1,000 scheduled DAGs, 66 due each minute', HOURLY)],
}

async function punctuality(name: string, others: number): Promise<Figure> {
  const files: Record<string, string> = {}
  for (let index = 0; index < EVERY_MINUTE; index++) files[`dags/m${index}.yaml`] = dagText(`m${index}`, '* * * * *')
  for (let index = 0; index < others; index++)
    files[`dags/h${index}.yaml`] = dagText(`h${index}`, `${index % 60} * * * *`)
  const subject = await Subject.create(files)
  try {
    await subject.up(16)
    await subject.hasDags(EVERY_MINUTE + others)
    // what registering has left to do is not what is measured
    await delay(5_000)
    const from = Date.now()
    await delay(MINUTES * 60_000 + 5_000)
    const runs = await startedSince(subject, from)
    if (runs.length < EVERY_MINUTE * MINUTES) throw new Error(`only ${runs.length} runs in ${MINUTES} minutes`)
    const late = runs.map((run) => Date.parse(run.started_at ?? '') - Date.parse(run.due))
    const worst = percentile(late, 99)
    return {
      name,
      bar: 'p99 <= 100 ms late',
      measured: `p50 ${milliseconds(percentile(late, 50))}, p99 ${milliseconds(worst)}`,
      met: worst <= 100 && Math.min(...late) >= 0,
      method: `recorded start of ${runs.length} runs against their due instants; each DAG has an SLA with an early warning and is to alert of failures`,
    }
  } finally {
    await subject.remove()
  }
}

async function startedSince(subject: Subject, from: number): Promise<RunListEntry[]> {
  const runs = await subject.runs('limit=1000')
  return runs.filter((run) => run.started_at !== null && Date.parse(run.due) >= from)
}

function dagText(id: string, schedule: string): string {
  const alerts = 'sla: { within: 10m }\non_failure: { email: [team@example.com] }\n'
  return `dag: ${id}\nschedule: "${schedule}"\n${alerts}tasks:\n  only: { bash: ["true"] }\n`
}
