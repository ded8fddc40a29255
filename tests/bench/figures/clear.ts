import { setTimeout as delay } from 'node:timers/promises'
import { type Measurement, milliseconds, percentile } from '../figure.js'
import { Subject } from '../subject.js'

const SECONDS = 60
const CLEARED = 1_000
const FIVE_MINUTES_MS = 300_000
const SLOTS = 8_640
const TOLD = 'sla: { within: 10m }\non_failure: { email: [team@example.com] }\n'

/** How late the runs of one DAG are done while a thousand runs of another are cleared and a big backfill of it goes on. */
export const clear: Measurement = {
  id: 'clear',
  async run() {
    const subject = await Subject.create({
      'dags/big.yaml': `dag: big\nschedule: "*/5 * * * *"\nmax_active_runs: 64\n${TOLD}tasks:\n  a: { bash: ["true"] }\n  b: { needs: [a], bash: ["true"] }\n`,
      'dags/live.yaml': `dag: live\nschedule: "*/2 * * * * *"\nmax_active_runs: 10\n${TOLD}tasks:\n  only: { bash: ["true"] }\n`,
    })
    try {
      await subject.up(4)
      await subject.hasDags(2)
      const past = await ended(subject)
      const begun = Date.now()
      await backfill(subject, begun - (SLOTS + CLEARED + 1) * FIVE_MINUTES_MS, SLOTS)
      const clearing = clearAll(subject, past)
      await delay(SECONDS * 1_000)
      const clearMs = await clearing
      const live = (await subject.runs('dag=live&limit=100')).filter(
        (run) => Date.parse(run.due) >= begun && run.ended_at !== null,
      )
      if (live.length < SECONDS / 2 - 3) throw new Error(`only ${live.length} runs`)
      const done = live.map((run) => Date.parse(run.ended_at ?? '') - Date.parse(run.due))
      const worst = Math.max(...done)
      return [
        {
          name: 'delay of due runs by the clear of 1,000 runs and a backfill of 8,640 slots of another DAG',
          bar: '<= 2 s',
          measured: `done p95 ${milliseconds(percentile(done, 95))} after they were due, at most ${milliseconds(worst)}`,
          met: worst <= 2_000,
          method: `${live.length} runs of one task, due every two seconds, while ${past.length} runs of two tasks were cleared within ${(clearMs / 1_000).toFixed(0)} s and ran again, and the backfill went on, on 4 slots; both DAGs have an SLA and are to alert of failures`,
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}

async function backfill(subject: Subject, from: number, slots: number): Promise<void> {
  const [first, last] = [from, from + slots * FIVE_MINUTES_MS].map((instant) => new Date(instant).toISOString())
  await subject.post('/dags/big/backfills', { from: first, to: last })
}

/** Makes the runs that are to be cleared. */
async function ended(subject: Subject): Promise<string[]> {
  await backfill(subject, Date.now() - CLEARED * FIVE_MINUTES_MS, CLEARED)
  for (let left = 300; left > 0; left--) {
    const runs = (await subject.runs(`dag=big&state=success&limit=${CLEARED}`)).map(({ run }) => run)
    if (runs.length >= CLEARED - 1) return runs
    await delay(1_000)
  }
  throw new Error(`${CLEARED} runs did not end within 300 s`)
}

/** @returns milliseconds until the last was cleared */
async function clearAll(subject: Subject, runs: readonly string[]): Promise<number> {
  const began = performance.now()
  const left = [...runs]
  const lane = async () => {
    for (let run = left.pop(); run !== undefined; run = left.pop()) await subject.post(`/runs/${run}/clear`, {})
  }
  await Promise.all(Array.from({ length: 8 }, lane))
  return performance.now() - began
}
