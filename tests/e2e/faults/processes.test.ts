import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { processesWith } from '../../../operators/process/process-group.js'
import type { LogLine } from '../../../scheduler/shapes.js'
import { giveStore } from '../../scheduler/store/pglite-folder.js'
import { commandOf } from '../../stack/cluster/process-tree.js'
import { eventually } from '../eventually.js'
import { descendants, EmbeddedProcess, isAlive, kill } from './embedded-process.js'
import { writeProject } from './write-project.js'

const MB = 1024 * 1024
const WAITS = `dag: waits
tasks:
  sleeper:
    retries: 1
    retry_delay: 0s
    bash: { command: 'echo ready; (setsid sleep 600 &) ; test "$SLUICE_ATTEMPT" = 2 || sleep 600', cwd: . }
`
const LOUD = `dag: loud
tasks:
  prints: { bash: 'awk "BEGIN { for (i = 0; i < 1500000; i++) print \\"a line of sixty-four characters, said again and again and again\\" }"; echo the end' }
  other: { bash: ["true"] }
`
const HUNGRY = `dag: hungry
tasks:
  rows: { sql: "SELECT len(list(range)) AS n FROM range(100000000)" }
  curious: { sql: "SELECT content FROM read_text('/etc/passwd')" }
  other: { bash: ["true"] }
`

let folder: string
let sluice: EmbeddedProcess

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'))
  await giveStore(join(folder, 'data/store'))
  writeProject(folder, {
    'dags/waits.yaml': WAITS,
    'dags/loud.yaml': LOUD,
    'dags/hungry.yaml': HUNGRY,
    'sluice.yaml': 'connections: { lakehouse: { memory_limit: 64MB } }\n',
  })
  sluice = await EmbeddedProcess.start(folder, 4)
})

afterAll(async () => {
  const left = descendants(sluice.pid)
  await sluice.kill()
  for (const pid of left) kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  if (!isAlive(sluice.pid)) sluice = await EmbeddedProcess.start(folder, 4)
})

function log(run: string, task: string, attempt = 1): LogLine[] {
  const path = join(folder, 'data/logs', run.split('-')[0] ?? '', run, task, `${attempt}.ndjson`)
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine)
}

/** The processes of the waiting task, once both of its sleepers sleep. */
async function waiting(): Promise<{ run: string; below: number[] }> {
  const run = await sluice.trigger('waits')
  await sluice.reaches(run, 'sleeper', 'running')
  const below = await eventually(20_000, async () => {
    // its daemon has left the process tree, but not its environment
    const own = processesWith(`SLUICE_RUN=${run}`).map(({ pid }) => pid)
    const sleeping = own.filter((pid) => commandOf(pid).startsWith('sleep\0'))
    return sleeping.length === 2 ? [...new Set([...descendants(sluice.pid), ...own])] : null
  })
  return { run, below }
}

describe('a main process that is killed', { timeout: 120_000 }, () => {
  it('takes its slots and what they run with it', async () => {
    const { below } = await waiting()
    await sluice.kill()
    await eventually(30_000, async () => (below.some(isAlive) ? null : true))
  })

  it('is succeeded at once: what its slots could not end is ended, and the attempt is retried with the true reason', async () => {
    const { run, below } = await waiting()
    // frozen slots do not see their supervisor go
    for (const pid of await sluice.slots()) kill(pid, 'SIGSTOP')
    await sluice.kill()
    expect(below.filter(isAlive).length).toBeGreaterThan(1)
    sluice = await EmbeddedProcess.start(folder, 4)
    expect(below.filter(isAlive)).toEqual([])
    expect(await sluice.finished(run)).toBe('success')
    expect(await sluice.attempts(run)).toMatchObject([
      { attempt: 1, result: 'lost', reason: 'Sluice was killed or stopped while the attempt ran' },
      { attempt: 2, result: 'success' },
    ])
  })
})

describe('a task that prints 100 MB', { timeout: 120_000 }, () => {
  it('has a log that is bounded and keeps its end, and costs the service no memory', async () => {
    const before = await sluice.memory()
    const run = await sluice.trigger('loud')
    expect(await sluice.finished(run)).toBe('success')
    expect(await sluice.memory()).toBeLessThan(before + 150 * MB)
    const lines = log(run, 'prints')
    expect(lines.at(-1)?.message).toBe('the end')
    expect(lines.map(({ line }) => line)).toEqual(lines.map((_, index) => index + 1))
    const prints = (await sluice.attempts(run)).find(({ task_id }) => task_id === 'prints')
    expect(prints?.log_lines).toBe(lines.length)
    expect(prints?.log_bytes).toBeLessThan(52 * MB)
  })
})

describe('a query that wants more memory than its limit', { timeout: 120_000 }, () => {
  it('fails with a clear message, and the others go on', async () => {
    const run = await sluice.trigger('hungry')
    expect(await sluice.finished(run)).toBe('failed')
    const { rows, curious, other } = await sluice.tasks(run)
    expect(rows?.reason).toMatch(/memory/i)
    expect(curious).toMatchObject({ state: 'failed', reason: expect.stringContaining('read_text') })
    expect(other?.state).toBe('success')
  })
})
