import { afterEach, describe, expect, it } from 'vitest'
import { processesWith } from '../../../operators/process/process-group.js'
import { eventually, isAlive, WorkerProject } from './worker-project.js'

/** In a session of its own, and its parent ends at once. */
const DAEMON_JS = `require('node:child_process').spawn('sleep', ['300'], { detached: true, stdio: 'ignore' }).unref()`
const DAEMON = `dag: daemon
tasks:
  forks:
    bash: |
      (sleep 300 & exec sleep 300) &
      "${process.execPath}" -e "${DAEMON_JS}"
      echo ready
      sleep 300
`
const WAITS = `dag: waits
tasks:
  sleeper: { bash: 'trap "echo got TERM; exit 0" TERM; echo ready; while :; do sleep 0.05; done' }
`
const TWO = `dag: two
tasks:
  hangs: { bash: 'echo ready; trap "" TERM; while :; do sleep 0.05; done' }
  works: { bash: { command: 'echo ready; until test -e go; do sleep 0.02; done', cwd: . } }
`

let project: WorkerProject | null = null

afterEach(async () => {
  await project?.close()
  project = null
})

async function started(dag: string, options: Parameters<typeof WorkerProject.start>[1] = {}): Promise<WorkerProject> {
  project = await WorkerProject.start({ [`dags/${/dag: (\w+)/.exec(dag)?.[1]}.yaml`]: dag }, options)
  return project
}

function processesOf(project: WorkerProject, run: string, task: string): number {
  return processesWith(`SLUICE_CLAIM=${project.attempt(run, task).token}`).length
}

describe('a cancelled attempt', () => {
  it('gets TERM and ends as cancelled', async () => {
    const project = await started(WAITS)
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    await project.commands.cancel(run, { user: 'test' })
    expect(await project.finished(run)).toBe('cancelled')
    expect(project.attempt(run, 'sleeper').outcome).toMatchObject({ result: 'cancelled' })
    expect(await project.messages(run, 'sleeper')).toContain('got TERM')
  })

  it('leaves nothing of its process tree, daemons included', async () => {
    const project = await started(DAEMON)
    const run = await project.trigger('daemon')
    await project.said(run, 'forks', 'ready')
    // the shell may have become its last command
    await eventually('all of it is there', () => processesOf(project, run, 'forks') >= 4)
    await project.commands.cancel(run, { user: 'test' })
    expect(await project.finished(run)).toBe('cancelled')
    expect(processesOf(project, run, 'forks')).toBe(0)
  })

  it('is told by the heartbeat when the hint was lost', async () => {
    const project = await started(WAITS, {
      heartbeatMs: 50,
      queue: { onWork: (wake) => setInterval(() => wake(new Set(['default'])), 20).unref(), onStop: () => undefined },
    })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    await project.commands.cancel(run, { user: 'test' })
    expect(await project.finished(run)).toBe('cancelled')
  })

  it('that hangs is cut off with its slot, and the worker goes on', async () => {
    const project = await started(WAITS, { stopMs: 300 })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    const [slot = 0] = project.worker.slotPids
    process.kill(slot, 'SIGSTOP')
    await project.commands.cancel(run, { user: 'test' })
    expect(await project.finished(run)).toBe('cancelled')
    expect(project.attempt(run, 'sleeper').outcome).toMatchObject({
      result: 'cancelled',
      reason: 'cancelled while it ran',
    })
    expect(processesOf(project, run, 'sleeper')).toBe(0)
    await eventually('the slot is gone', () => !project.worker.slotPids.includes(slot))
    expect(isAlive(slot)).toBe(false)
    const again = await project.trigger('waits')
    await project.said(again, 'sleeper', 'ready')
    await project.commands.cancel(again, { user: 'test' })
    expect(await project.finished(again)).toBe('cancelled')
  })

  it('that hangs beside others is given up alone, and its slot ends after the others', async () => {
    const project = await started(TWO, { stopMs: 200 })
    const run = await project.trigger('two')
    await project.said(run, 'hangs', 'ready')
    await project.said(run, 'works', 'ready')
    const [slot = 0] = project.worker.slotPids
    await project.commands.cancelTask(run, 'hangs', { user: 'test' })
    await eventually('hangs is over', async () => (await project.tasks(run)).hangs?.state === 'cancelled')
    expect(processesOf(project, run, 'hangs')).toBe(0)
    expect(project.worker.slotPids).toContain(slot)
    project.write('dags/go', '')
    await project.finished(run)
    expect((await project.tasks(run)).works?.state).toBe('success')
    await eventually('the slot has ended', () => !project.worker.slotPids.includes(slot))
  })
})

describe('a timeout', () => {
  it('ends the whole tree and is not a failure of another kind', async () => {
    const project = await started(DAEMON.replace('  forks:', '  forks:\n    timeout: 1s'))
    const { run, state, tasks } = await project.run('daemon')
    expect(state).toBe('failed')
    expect(tasks.forks?.reason).toContain('timed out after 1s')
    expect(project.attempt(run, 'forks').outcome?.result).toBe('timed_out')
    expect(processesOf(project, run, 'forks')).toBe(0)
  })
})

describe('a worker that is closed', () => {
  it('ends what runs within a bound and records it as stopped, so that it runs again with no try less', async () => {
    const project = await started(WAITS)
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    const slots = project.worker.slotPids
    await project.worker.close('Sluice was stopped')
    expect(project.attempt(run, 'sleeper').outcome).toMatchObject({ result: 'stopped', reason: 'Sluice was stopped' })
    await eventually('it is queued again', async () => (await project.tasks(run)).sleeper?.state === 'queued')
    expect((await project.tasks(run)).sleeper).toMatchObject({ attempt: 2, tries: 1 })
    expect(slots.length).toBe(1)
    expect(slots.filter(isAlive)).toEqual([])
  })
})
