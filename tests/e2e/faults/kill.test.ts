import { mkdtempSync, readFileSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { giveStore } from '../../scheduler/store/pglite-folder.js'
import { Prng } from '../../simulation/prng.js'
import { crowded, FULL } from '../../stack/cluster/crowded.js'
import { peaksOf, recordTransitions, transitions } from '../../stack/cluster/transitions.js'
import { deltaRows } from './delta-rows.js'
import { descendants, EmbeddedProcess, isAlive, kill } from './embedded-process.js'
import { writeProject } from './write-project.js'

/**
 * The suite against real services, which has the time, asks for more. The last clear has to come with a kill of the main process, as here and
 * with 20: a task that a kill of its own program has ended has failed.
 */
const KILLS = Number(process.env.SLUICE_KILLS ?? 8)
/** A kill comes at any moment of the life of a run. */
const LONGEST_WAIT_MS = 700

/** Marker rows by SQL; and a shell task that would notice another attempt of itself still running. */
const MARKERS = `dag: markers
max_active_runs: 4
defaults: { retries: 100, retry_delay: 0s }
tasks:
  first: { sql: { query: "SELECT {{ run.id }} AS run, {{ task.id }} AS task", to: faults.markers, mode: append } }
  alone:
    needs: [first]
    bash: { command: '"${process.execPath}" alone.mjs', cwd: . }
  second: { needs: [first], sql: { query: "SELECT {{ run.id }} AS run, {{ task.id }} AS task", to: faults.markers, mode: append } }
  third: { needs: [second, alone], sql: { query: "SELECT {{ run.id }} AS run, {{ task.id }} AS task", to: faults.markers, mode: append } }
`

/** A socket is bound by one process only, and answers no more once that one is dead. */
const ALONE = `import { appendFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
const lock = 'lock-' + process.env.SLUICE_RUN
const bound = () => new Promise((resolve) => {
  const server = createServer().once('error', () => resolve(null)).listen(lock, () => resolve(server))
})
const answers = () => new Promise((resolve) => {
  const asked = connect(lock, () => resolve(asked.destroy() !== null)).once('error', () => resolve(false))
})
let server = await bound()
if (server === null && !(await answers())) {
  rmSync(lock, { force: true })
  server = await bound()
}
if (server === null) appendFileSync('overlaps', process.env.SLUICE_RUN + '\\n')
else setTimeout(() => server.close(), 100)
`

/** What people do is acknowledged too. */
const PEOPLE = {
  'dags/asleep.yaml': 'dag: asleep\nmax_active_runs: 50\ntasks: { sleeper: { bash: [sleep, "600"] } }\n',
  'dags/quick.yaml': 'dag: quick\ntasks: { only: { bash: ["true"] } }\n',
  'dags/aside.yaml': 'dag: aside\nschedule: "@yearly"\ntasks: { only: { bash: ["true"] } }\n',
}

let folder: string
let sluice: EmbeddedProcess | null = null

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'))
  await giveStore(join(folder, 'data/store'))
})

afterEach(async () => {
  const left = sluice === null ? [] : descendants(sluice.pid)
  await sluice?.kill()
  for (const pid of left) kill(pid, 'SIGKILL')
  sluice = null
  rmSync(folder, { recursive: true, force: true })
})

describe('SIGKILL at random moments', () => {
  it(`of slots, of the main process and of all: ${KILLS} times nothing acknowledged is lost and no row is doubled`, async () => {
    const seed = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000)
    const random = new Prng(seed)
    writeProject(folder, { 'dags/markers.yaml': MARKERS, 'dags/alone.mjs': ALONE, ...PEOPLE })
    sluice = await EmbeddedProcess.start(folder, 3)
    const acknowledged = [await sluice.trigger('markers')]
    expect(await sluice.finished(acknowledged[0] ?? '')).toBe('success')
    const quick = await sluice.trigger('quick')
    expect(await sluice.finished(quick)).toBe('success')
    const cancelled: string[] = []
    let clearedAt = 0
    let paused = ''
    /** One after the other of what people do, beside the runs. */
    const act = async (on: EmbeddedProcess, count: number) => {
      if (count % 3 === 0) {
        const run = await on.trigger('asleep')
        await on.cancel(run)
        cancelled.push(run)
      } else if (count % 3 === 1) {
        clearedAt = Date.now()
        await on.clear(quick)
      } else if (paused === '') {
        await on.pause('aside', `round ${count}`)
        paused = `round ${count}`
      } else {
        await on.resume('aside')
        paused = ''
      }
    }
    for (let count = 0; count < KILLS; count += 1) {
      const published = nextCommit()
      acknowledged.push(await sluice.trigger('markers'))
      await act(sluice, count)
      if (count % 4 === 0) {
        await delay(random.int(0, LONGEST_WAIT_MS))
        // by turns a slot, and whatever runs below: a task's program, a shell that waits for one
        const below = count % 8 === 0 ? await sluice.slots() : descendants(sluice.pid)
        kill(random.pick(below), 'SIGKILL')
        continue
      }
      let below = descendants(sluice.pid)
      // two of three where it hurts most: the table has the rows, and nobody knows it yet
      if (count % 4 === 2) {
        await delay(random.int(0, LONGEST_WAIT_MS))
        below = descendants(sluice.pid)
      } else await published
      kill(sluice.pid, 'SIGKILL')
      if (count % 4 === 1) for (const pid of below) kill(pid, 'SIGKILL')
      await sluice.kill()
      sluice = await EmbeddedProcess.start(folder, 3)
      expect(below.filter(isAlive), `seed ${seed}: the next start leaves nothing of its predecessor`).toEqual([])
      const [dag] = await sluice.query(`select paused, pause_reason from dags where dag_id = 'aside'`)
      expect(dag, `seed ${seed}`).toMatchObject(
        paused === '' ? { paused: false } : { paused: true, pause_reason: expect.stringContaining(paused) },
      )
    }
    for (const run of acknowledged) expect(await sluice.finished(run), `seed ${seed}, ${run}`).toBe('success')
    for (const run of cancelled) expect(await sluice.finished(run), `seed ${seed}, ${run}`).toBe('cancelled')
    expect(await sluice.finished(quick)).toBe('success')
    const { only } = await sluice.tasks(quick)
    expect(only?.startedAt, `seed ${seed}: cleared, and not run again`).toBeGreaterThanOrEqual(clearedAt)
    const rows = await deltaRows(table())
    const expected = acknowledged.flatMap((run) => ['first', 'second', 'third'].map((task) => `${run} ${task}`))
    expect(rows.map(({ run, task }) => `${run} ${task}`).sort(), `seed ${seed}`).toEqual(expected.sort())
    expect(overlaps(), `seed ${seed}: two attempts of one task at the same time`).toBe('')
  }, 300_000)
})

describe('limits', () => {
  it('are exceeded at no instant under bursts, kills and clears', async () => {
    const random = new Prng(7)
    writeProject(folder, crowded())
    sluice = await EmbeddedProcess.start(folder, 6)
    await recordTransitions(sluice)
    const runs: string[] = []
    for (const victim of ['slot', 'main'] as const) {
      const dags = ['pooled', 'limited', 'pooled', 'limited', 'pooled']
      const burst = sluice
      runs.push(...(await Promise.all(dags.map((dag) => burst.trigger(dag)))))
      await sluice.finished(runs.at(-5) ?? '')
      await clearSome(sluice)
      if (victim === 'slot') kill(random.pick(await sluice.slots()), 'SIGKILL')
      else {
        await sluice.kill()
        sluice = await EmbeddedProcess.start(folder, 6)
      }
      await clearSome(sluice)
    }
    for (const run of runs) expect(await sluice.finished(run), run).toBe('success')
    const history = await transitions(sluice)
    // each limit was reached, or nothing would have been shown
    expect(peaksOf(history)).toMatchObject(FULL)
    expect(history.filter(({ task, state }) => task === null && state === 'queued').length).toBeGreaterThan(1)
  }, 120_000)
})

/** Some that have ended, and one that is on, run again at once. */
async function clearSome(from: EmbeddedProcess): Promise<void> {
  const found = await from.query<{ run_id: string }>(
    `(select run_id from runs where state = 'success' order by run_id limit 1)
     union all (select run_id from runs where state = 'running' order by run_id limit 1)`,
  )
  await Promise.all(found.map(({ run_id }) => from.clear(run_id)))
}

function table(): string {
  return join(folder, 'data/lake/faults/markers')
}

/** Resolves as soon as the table has a new version. */
function nextCommit(): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(join(table(), '_delta_log'), (_event, name) => {
      if (!/^\d{20}\.json$/.test(name ?? '')) return
      watcher.close()
      resolve()
    })
  })
}

function overlaps(): string {
  try {
    return readFileSync(join(folder, 'dags/overlaps'), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
