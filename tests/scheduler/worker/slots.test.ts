import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { processesWith } from '../../../operators/process/process-group.js'
import { eventually, WorkerProject } from './worker-project.js'

const WAITS_FOR_GO = `bash: { command: 'echo ready; until test -e go; do sleep 0.02; done', cwd: . }`
const DAGS = {
  'dags/pair.yaml': `dag: pair
tasks:
  one: { retries: 1, retry_delay: 0s, ${WAITS_FOR_GO} }
  two: { ${WAITS_FOR_GO} }
`,
  'dags/quick.yaml': `dag: quick
tasks:
  hello: { bash: [echo, hello] }
`,
  'dags/chain.yaml': `dag: chain
tasks:
  one: { bash: ["true"] }
  two: { needs: [one], bash: ["true"] }
  three: { needs: [two], bash: ["true"] }
`,
  'dags/many.yaml': `dag: many
tasks:
${Array.from({ length: 6 }, (_, index) => `  t${index}: { ${WAITS_FOR_GO} }`).join('\n')}
`,
  'dags/scan.yaml': `dag: scan
tasks:
  scan: { sql: { query: "select sum(a.range * b.range) as n from range(100000000) a, range(100000) b", to: gold.n } }
`,
}

let project: WorkerProject | null = null

afterEach(async () => {
  await project?.close()
  project = null
})

async function start(options: Parameters<typeof WorkerProject.start>[1] = {}): Promise<WorkerProject> {
  project = await WorkerProject.start(DAGS, options)
  return project
}

describe('a slot that is killed', () => {
  it('ends its attempts at once as lost, with the true reason, and their processes with it', async () => {
    const project = await start()
    const run = await project.trigger('pair')
    await project.said(run, 'one', 'ready')
    await project.said(run, 'two', 'ready')
    const tokens = ['one', 'two'].map((task) => project.attempt(run, task).token)
    for (const pid of project.worker.slotPids) process.kill(pid, 'SIGKILL')
    await project.said(run, 'one', 'ready', 2)
    const outcome = { result: 'lost', reason: 'slot process was killed by SIGKILL', retryable: true }
    expect(project.attempt(run, 'one', 1).outcome).toMatchObject(outcome)
    expect(tokens.flatMap((token) => processesWith(`SLUICE_CLAIM=${token}`))).toEqual([])
    project.write('dags/go', '')
    expect(await project.finished(run)).toBe('failed')
    const tasks = await project.tasks(run)
    expect(tasks.one?.state).toBe('success')
    expect(tasks.two).toMatchObject({ state: 'failed', attempt: 1 })
    expect(tasks.two?.reason).toContain('killed by SIGKILL')
  })

  it('has the end in the log, after everything that was said', async () => {
    const project = await start()
    const run = await project.trigger('pair')
    await project.said(run, 'two', 'ready')
    for (const pid of project.worker.slotPids) process.kill(pid, 'SIGKILL')
    await eventually('two has ended', () => project.attempt(run, 'two').outcome !== null)
    const lines = await project.lines(run, 'two')
    expect(lines.map(({ line }) => line)).toEqual(lines.map((_, index) => index + 1))
    expect(lines[0]?.message).toBe('ready')
    expect(lines[1]?.message).toBe('The attempt was cut off: slot process was killed by SIGKILL.')
    expect(lines[2]?.message).toMatch(/^Killed what it had left running: bash/)
    expect(project.attempt(run, 'two').facts?.logLines).toBe(lines.length)
    project.write('dags/go', '')
    await project.finished(run)
  })

  it('leaves no private folder behind', async () => {
    const project = await start()
    const run = await project.trigger('pair')
    await project.said(run, 'two', 'ready')
    for (const pid of project.worker.slotPids) process.kill(pid, 'SIGKILL')
    project.write('dags/go', '')
    await project.finished(run)
    await eventually('the folders are gone', () => project.workFolders().length === 0)
  })

  it('leaves nothing behind of what its SQL may have spilled', async () => {
    const project = await start()
    const run = await project.trigger('scan')
    const work = join(project.folder, '.sluice/work')
    await eventually('a slot is configured', () => existsSync(work))
    const spills = () => project.workFolders().filter((name) => readdirSync(join(work, name)).length > 0)
    await eventually('the engine is open', () => spills().length === 1)
    const [folder = ''] = spills()
    expect(readdirSync(join(work, folder))).toEqual([expect.stringMatching(/^sluice-duckdb-/)])
    for (const pid of project.worker.slotPids) process.kill(pid, 'SIGKILL')
    expect(await project.finished(run)).toBe('failed')
    await eventually('it is gone', () => !existsSync(join(work, folder)))
  })

  it('is told by its exit code when it ends by itself', async () => {
    const project = await start()
    const run = await project.trigger('pair')
    await project.said(run, 'two', 'ready')
    for (const pid of project.worker.slotPids) process.kill(pid, 'SIGABRT')
    project.write('dags/go', '')
    await project.finished(run)
    expect(project.attempt(run, 'two').outcome?.reason).toBe('slot process crashed with SIGABRT')
  })
})

describe('slots', () => {
  it('are warm before the first attempt, and reused', async () => {
    const project = await start()
    await eventually('a slot is warm', () => project.worker.slotPids.length === 1)
    const before = project.worker.slotPids
    for (let round = 0; round < 3; round++) expect((await project.run('quick')).state).toBe('success')
    expect(project.worker.slotPids).toEqual(before)
  })

  it('run light attempts together, no more at once than the worker may', async () => {
    const project = await start({ slots: 4 })
    const run = await project.trigger('many')
    const running = async () =>
      Object.values(await project.tasks(run)).filter(({ state }) => state === 'running').length
    await eventually('four run', async () => (await running()) === 4)
    expect(project.worker.slotPids).toHaveLength(1)
    const ready = async (task: string) => (await project.messages(run, task)).length
    for (const task of ['t0', 't1', 't2', 't3'])
      await eventually(`${task} is ready`, async () => (await ready(task)) === 1)
    // a hint that there is work makes no place
    project.worker.serve([])
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(await running()).toBe(4)
    project.write('dags/go', '')
    expect(await project.finished(run)).toBe('success')
  })

  it('leave it to their supervisor when to end: a signal to the whole group does not', async () => {
    const project = await start()
    const run = await project.trigger('pair')
    await project.said(run, 'one', 'ready')
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      for (const pid of project.worker.slotPids) process.kill(pid, signal)
    }
    project.write('dags/go', '')
    expect(await project.finished(run)).toBe('success')
  })
})

describe('a worker whose hints may be lost', () => {
  const lookMs = () => 60_000

  it('asks for what others have left soon after an attempt', async () => {
    const deaf = { onWork: () => undefined, onStop: () => undefined }
    const project = await start({ lookMs, queue: deaf })
    const run = await project.trigger('chain')
    await eventually('the first task is queued', async () => (await project.tasks(run)).one?.state === 'queued')
    project.worker.serve([])
    expect(await project.finished(run)).toBe('success')
  })

  it.each([
    ['at once when it had no place', 1, 3],
    ['not beside the record when it had one, which a hint would have found', 2, 0],
  ])('asks %s', async (_when, slots, besideRecords) => {
    const project = await start({ lookMs, slots })
    const { store } = project
    const claim = store.claim.bind(store)
    const recordOutcomes = store.recordOutcomes.bind(store)
    let asked = 0
    let beside = 0
    store.claim = (...args) => {
      asked += 1
      return claim(...args)
    }
    store.recordOutcomes = async (...args) => {
      const before = asked
      const results = await recordOutcomes(...args)
      await new Promise(setImmediate)
      beside += asked - before
      return results
    }
    expect((await project.run('chain')).state).toBe('success')
    expect(beside).toBe(besideRecords)
  })
})
