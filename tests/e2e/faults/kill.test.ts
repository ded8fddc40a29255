import { mkdtempSync, readFileSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { giveStore } from '../../scheduler/store/pglite-folder.js'
import { Prng } from '../../simulation/prng.js'
import { deltaRows } from './delta-rows.js'
import { descendants, EmbeddedProcess, isAlive, kill } from './embedded-process.js'
import { writeProject } from './write-project.js'

const KILLS = 20
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
    bash: { command: 'flock -n "lock-$SLUICE_RUN" sleep 0.1 || echo "$SLUICE_RUN" >> overlaps', cwd: . }
  second: { needs: [first], sql: { query: "SELECT {{ run.id }} AS run, {{ task.id }} AS task", to: faults.markers, mode: append } }
  third: { needs: [second, alone], sql: { query: "SELECT {{ run.id }} AS run, {{ task.id }} AS task", to: faults.markers, mode: append } }
`

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
    writeProject(folder, { 'dags/markers.yaml': MARKERS })
    sluice = await EmbeddedProcess.start(folder, 3)
    const acknowledged = [await sluice.trigger('markers')]
    expect(await sluice.finished(acknowledged[0] ?? '')).toBe('success')
    for (let count = 0; count < KILLS; count += 1) {
      const published = nextCommit()
      acknowledged.push(await sluice.trigger('markers'))
      if (count % 4 === 0) {
        await delay(random.int(0, LONGEST_WAIT_MS))
        kill(random.pick(await sluice.slots()), 'SIGKILL')
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
    }
    for (const run of acknowledged) expect(await sluice.finished(run), `seed ${seed}, ${run}`).toBe('success')
    const rows = await deltaRows(table())
    const expected = acknowledged.flatMap((run) => ['first', 'second', 'third'].map((task) => `${run} ${task}`))
    expect(rows.map(({ run, task }) => `${run} ${task}`).sort(), `seed ${seed}`).toEqual(expected.sort())
    expect(overlaps(), `seed ${seed}: two attempts of one task at the same time`).toBe('')
  }, 300_000)
})

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
