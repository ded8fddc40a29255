import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Figure, Measurement } from '../figure.js'
import { cpuSeconds, processTree } from '../processes.js'
import { Subject } from '../subject.js'

const PER_RUN = 100
/** runs of each kind; together 5,000 tasks */
const RUNS = { files: 20, tables: 10, answers: 5, others: 10, times: 5 }
const SENSORS = PER_RUN * Object.values(RUNS).reduce((sum, runs) => sum + runs, 0)
const SETTLE_MS = 20_000
/** as long as the pause between two looks, so that each is among what is measured */
const WATCH_MS = 60_000
const SLOTS = 2

/** What 5,000 tasks that wait cost: nothing happens, but that files, tables and answers are looked at every minute. */
export const sensors: Measurement = {
  id: 'sensors',
  async run() {
    const { server, url, asked } = await neverReady()
    const subject = await Subject.create(files(url))
    try {
      await subject.up(SLOTS)
      await subject.hasDags(Object.keys(RUNS).length + 1)
      const began = performance.now()
      for (const [kind, count] of Object.entries(RUNS)) {
        for (let run = 0; run < count; run++) await subject.trigger(kind)
      }
      await allDeferred(subject)
      const took = (performance.now() - began) / 1000
      await delay(SETTLE_MS)
      const askedBefore = asked()
      const cpu = await cpuShare(subject)
      return [figure(cpu, took, asked() - askedBefore, await busySlots(subject))]
    } finally {
      await subject.remove()
      server.close()
      server.closeAllConnections()
    }
  },
}

function figure(cpu: number, took: number, looks: number, busy: number): Figure {
  const answers = RUNS.answers * PER_RUN
  return {
    name: `${SENSORS.toLocaleString('en')} waiting sensors`,
    bar: 'no slot, < 5 % CPU',
    measured: `${busy === 0 ? 'no slot' : `${busy} slots`}, ${cpu.toFixed(1)} % CPU`,
    // figures of sensors that nobody looks at would be no figures
    met: busy === 0 && cpu < 5 && looks >= answers * 0.9,
    method: `2,000 files each its own, 1,000 tables, ${answers} addresses, 1,000 runs of another DAG and 500 times, all deferred after ${took.toFixed(0)} s; CPU of all processes, in per cent of one core, over ${WATCH_MS / 1000} s with a look at each file, table and address every minute (${looks} requests); slots as the worker says`,
  }
}

async function cpuShare(subject: Subject): Promise<number> {
  const tree = processTree(subject.pid)
  const before = cpuSeconds(tree)
  await delay(WATCH_MS)
  return ((cpuSeconds(tree) - before) / (WATCH_MS / 1000)) * 100
}

/** Waits until every task has been deferred. */
async function allDeferred(subject: Subject): Promise<void> {
  for (let left = 120; left > 0; left--) {
    await delay(5_000)
    const metrics = await subject.metrics()
    const waiting = /sluice_tasks_active\{[^}]*state="deferred"[^}]*\} (\d+)/.exec(metrics)?.[1]
    if (Number(waiting) === SENSORS) return
  }
  throw new Error('the sensors are not all deferred after 600 s')
}

/** Slots with an attempt, as the worker says. */
async function busySlots(subject: Subject): Promise<number> {
  const busy = /sluice_worker_slots_busy\{[^}]*\} (\d+)/.exec(await subject.metrics())?.[1]
  if (busy === undefined) throw new Error('the metrics do not say how many slots are busy')
  return Number(busy)
}

/** A server that answers, and never what is waited for. */
async function neverReady(): Promise<{ server: Server; url: string; asked: () => number }> {
  let asked = 0
  const server = createServer((_, response) => {
    asked++
    response.setHeader('content-type', 'application/json').end('{"status":"busy"}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked }
}

function files(url: string): Record<string, string> {
  return {
    'sluice.yaml': `connections: { service: { type: http, url: "${url}" } }\n`,
    'dags/files.yaml': dag('files', (task) => `{ file: "../landing/{{ run.id }}/${task}.csv" }`),
    'dags/tables.yaml': dag('tables', (task) => `{ table: silver.t${task} }`),
    'dags/answers.yaml': dag(
      'answers',
      (task) => `{ http: { connection: service, url: "/{{ run.id }}/${task}", equals: { /status: ready } } }`,
    ),
    'dags/others.yaml': dag('others', () => '{ dag: never }'),
    'dags/times.yaml': dag('times', (task) => `{ until: "2099-01-${String((task % 28) + 1).padStart(2, '0')}" }`),
    'dags/never.yaml': 'dag: never\ntasks:\n  only: { bash: ["true"] }\n',
  }
}

function dag(id: string, condition: (task: number) => string): string {
  const tasks = Array.from({ length: PER_RUN }, (_, task) => `  t${task}: { wait_for: ${condition(task)} }`)
  return `dag: ${id}\nmax_active_runs: 100\nmax_active_tasks: 1000\ntasks:\n${tasks.join('\n')}\n`
}
