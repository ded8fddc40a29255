import { setTimeout as delay } from 'node:timers/promises'
import type { Figure, Measurement } from '../figure.js'
import { cpuSeconds, processTree, pssMb } from '../processes.js'
import { Subject } from '../subject.js'

const SETTLE_MS = 75_000
const WATCH_MS = 30_000

/** Memory and CPU of all processes with nothing due, everything on, after work has been done. */
export const idle: Measurement = {
  id: 'idle',
  async run() {
    return [await idleWith(100, 350), await idleWith(1000, 400)]
  },
}

async function idleWith(dags: number, barMb: number): Promise<Figure> {
  const files: Record<string, string> = { 'dags/warm.yaml': WARM }
  for (let index = 1; index < dags; index++) files[`dags/d${index}.yaml`] = nightly(index)
  const subject = await Subject.create(files)
  try {
    await subject.up(2)
    await subject.hasDags(dags)
    await subject.finished(await subject.trigger('warm'), 60_000)
    await delay(SETTLE_MS)
    const tree = processTree(subject.pid)
    const before = cpuSeconds(tree)
    await delay(WATCH_MS)
    const cpu = ((cpuSeconds(tree) - before) / (WATCH_MS / 1000)) * 100
    const memory = pssMb(processTree(subject.pid))
    return {
      name: `idle with ${dags.toLocaleString('en')} scheduled DAGs`,
      bar: `<= ${barMb} MB, <= 1 % CPU`,
      measured: `${memory.toFixed(0)} MB, ${cpu.toFixed(1)} % CPU`,
      met: memory <= barMb && cpu <= 1,
      method: `PSS of all processes and CPU over ${WATCH_MS / 1000} s, ${SETTLE_MS / 1000} s after the last task, which ran SQL that wrote a table with a check; each DAG has an SLA and is to alert of failures`,
    }
  } finally {
    await subject.remove()
  }
}

/** Work that leaves nothing unloaded: a shell, the SQL engine, a table and its checks. */
const WARM = `dag: warm
tasks:
  shell: { bash: ["true"] }
  rows: { needs: [shell], sql: { query: "select range as id from range(100000)", to: bronze.warm }, checks: [{ unique: [id] }] }
  sums: { needs: [rows], sql: { query: "select sum(id) as total from bronze.warm", to: silver.warm } }
`

function nightly(index: number): string {
  return `dag: d${index}\nschedule: "${index % 60} 3 1 1 *"\nsla: { within: 10m }\non_failure: { email: [team@example.com] }\ntasks:\n  a: { bash: ["true"] }\n  b: { bash: ["true"], needs: [a] }\n`
}
