import { setTimeout as delay } from 'node:timers/promises'
import type { Figure, Measurement } from '../figure.js'
import { cpuSeconds, processTree } from '../processes.js'
import { Subject } from '../subject.js'

const PER_RUN = 100
/** runs of each kind; together 5,000 tasks */
const RUNS = { files: 20, tables: 10, others: 15, times: 5 }
const SETTLE_MS = 20_000
/** as long as the pause between two looks, so that each is among what is measured */
const WATCH_MS = 60_000

/** What 5,000 tasks that wait cost: nothing happens, but that files and tables are looked at every minute. */
export const sensors: Measurement = {
  id: 'sensors',
  async run() {
    const subject = await Subject.create(files())
    try {
      await subject.up(2)
      await subject.hasDags(5)
      const began = performance.now()
      for (const [kind, count] of Object.entries(RUNS)) {
        for (let run = 0; run < count; run++) await subject.trigger(kind)
      }
      const deferred = await allDeferred(subject)
      const took = (performance.now() - began) / 1000
      await delay(SETTLE_MS)
      const cpu = await cpuShare(subject)
      return [figure(deferred, cpu, took)]
    } finally {
      await subject.remove()
    }
  },
}

function figure(deferred: number, cpu: number, took: number): Figure {
  return {
    name: `${deferred.toLocaleString('en')} waiting sensors`,
    bar: 'no slot, < 5 % CPU',
    measured: `${cpu.toFixed(1)} % CPU`,
    met: deferred === 5_000 && cpu < 5,
    method: `2,000 files each its own, 1,000 tables, 1,500 runs of another DAG and 500 times, all deferred after ${took.toFixed(0)} s; CPU of all processes, in per cent of one core, over ${WATCH_MS / 1000} s with a look at each file and table every minute`,
  }
}

async function cpuShare(subject: Subject): Promise<number> {
  const tree = processTree(subject.pid)
  const before = cpuSeconds(tree)
  await delay(WATCH_MS)
  return ((cpuSeconds(tree) - before) / (WATCH_MS / 1000)) * 100
}

/** Waits until every task has been deferred. */
async function allDeferred(subject: Subject): Promise<number> {
  for (let left = 120; left > 0; left--) {
    await delay(5_000)
    const metrics = await subject.metrics()
    const waiting = /sluice_tasks_active\{[^}]*state="deferred"[^}]*\} (\d+)/.exec(metrics)?.[1]
    if (Number(waiting) === 5_000) return 5_000
  }
  throw new Error('the sensors are not all deferred after 600 s')
}

function files(): Record<string, string> {
  return {
    'dags/files.yaml': dag('files', (task) => `{ file: "../landing/{{ run.id }}/${task}.csv" }`),
    'dags/tables.yaml': dag('tables', (task) => `{ table: silver.t${task} }`),
    'dags/others.yaml': dag('others', () => '{ dag: never }'),
    'dags/times.yaml': dag('times', (task) => `{ until: "2099-01-${String((task % 28) + 1).padStart(2, '0')}" }`),
    'dags/never.yaml': 'dag: never\ntasks:\n  only: { bash: ["true"] }\n',
  }
}

function dag(id: string, condition: (task: number) => string): string {
  const tasks = Array.from({ length: PER_RUN }, (_, task) => `  t${task}: { wait_for: ${condition(task)} }`)
  return `dag: ${id}\nmax_active_runs: 100\nmax_active_tasks: 1000\ntasks:\n${tasks.join('\n')}\n`
}
