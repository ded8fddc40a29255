import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../../errors.js'
import { processEntry } from '../../../package-root.js'
import type { Measurement } from '../figure.js'
import { processTree } from '../processes.js'
import { Subject } from '../subject.js'

const KILLS = 200
const RUNS = 1000
const AT_ONCE = 20
const BOUND_MS = 30 * 60_000

/**
 * Runs that each append one marked row, while random processes of Sluice (or all of them) are killed. Lost: an
 * acknowledged run without its row. Doubled: a row twice. Stuck: a run that does not end.
 */
export const kills: Measurement = {
  id: 'kills',
  async run() {
    const subject = await Subject.create({ 'dags/mark.yaml': MARK })
    const acknowledged: string[] = []
    let killed = 0
    try {
      await subject.up(2)
      await subject.hasDags(1)
      const until = performance.now() + BOUND_MS
      while (killed < KILLS || acknowledged.length < RUNS) {
        if (performance.now() > until)
          throw new Error(`${killed} kills and ${acknowledged.length} runs within the bound`)
        await triggerSome(subject, acknowledged)
        await delay(Math.random() * 1500)
        if (killed < KILLS) {
          await killOne(subject)
          killed++
        }
      }
      const unfinished = await settle(subject, acknowledged)
      const rows = markers(subject)
      const lost = acknowledged.filter((run) => !rows.has(run)).length
      const doubled = [...rows.values()].filter((count) => count > 1).length
      return [
        {
          name: '200 random SIGKILLs over 1,000 runs',
          bar: '0 lost, 0 doubled, 0 stuck',
          measured: `${lost} lost, ${doubled} doubled, ${unfinished} stuck (${killed} kills, ${acknowledged.length} runs)`,
          met: lost === 0 && doubled === 0 && unfinished === 0,
          method: 'each run appends its id to a Delta table; victims are the main process, a slot, or all at once',
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}

const MARK = `dag: mark
max_active_runs: ${AT_ONCE}
tasks:
  mark:
    sql: { query: "select {{ run.id }} as run", to: bronze.marks, mode: append }
    retries: 100
    retry_delay: 100ms
    backoff: 1
`

async function triggerSome(subject: Subject, acknowledged: string[]): Promise<void> {
  for (let left = Math.ceil(RUNS / KILLS) + 1; left > 0 && acknowledged.length < RUNS; left--) {
    acknowledged.push(await subject.trigger('mark'))
  }
}

async function killOne(subject: Subject): Promise<void> {
  const main = subject.pid
  const others = processTree(main).filter((pid) => pid !== main)
  const dice = Math.random()
  const victim = others[Math.floor(Math.random() * others.length)]
  if (dice < 0.5 && victim !== undefined) {
    kill(victim)
    return
  }
  if (dice < 0.75) for (const pid of others) kill(pid)
  await subject.kill()
  await subject.up(2)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // it has ended by itself between the look and the kill
    if (codeOf(error) !== 'ESRCH') throw error
  }
}

/** @returns how many runs have not succeeded within the bound */
async function settle(subject: Subject, runs: readonly string[]): Promise<number> {
  const until = performance.now() + 5 * 60_000
  for (;;) {
    const done = new Set((await subject.runs(`state=success&limit=${RUNS}`)).map((run) => run.run))
    const left = runs.filter((run) => !done.has(run)).length
    if (left === 0 || performance.now() > until) return left
    await delay(500)
  }
}

function markers(subject: Subject): Map<string, number> {
  const sql = 'select run, count(*) as n from bronze.marks group by run'
  const args = [
    processEntry('cli/sluice.js'),
    'query',
    sql,
    '--project',
    subject.folder,
    '--format',
    'json',
    '--limit',
    '100000',
  ]
  const rows = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 26 })) as {
    run: string
    n: number | string
  }[]
  return new Map(rows.map((row) => [row.run, Number(row.n)]))
}
