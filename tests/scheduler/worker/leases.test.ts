import { afterEach, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../../errors.js'
import { processesWith } from '../../../operators/process/process-group.js'
import { createMemoryStore } from '../../simulation/memory-store/index.js'
import { eventually, WorkerProject } from './worker-project.js'

const WAITS = {
  'dags/waits.yaml': `dag: waits
tasks:
  sleeper: { bash: { command: 'echo ready; until test -e go; do sleep 0.02; done', cwd: . } }
`,
}

let project: WorkerProject | null = null

afterEach(async () => {
  await project?.close()
  project = null
})

describe('a lease', () => {
  it('is kept however busy the slot is', async () => {
    project = await WorkerProject.start(WAITS, { leaseMs: 2_000, heartbeatMs: 50 })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    for (const pid of project.worker.slotPids) process.kill(pid, 'SIGSTOP')
    const first = project.store.tables.task(run, 'sleeper')?.claim?.leaseUntil ?? 0
    await eventually('the lease is extended past its first end', () => {
      const claim = project?.store.tables.task(run, 'sleeper')?.claim
      return (claim?.leaseUntil ?? 0) > first + 2_000
    })
    expect(await project.store.reapExpired(Date.now())).toEqual([])
    for (const pid of project.worker.slotPids) process.kill(pid, 'SIGCONT')
    project.write('dags/go', '')
    expect(await project.finished(run)).toBe('success')
  })

  it('that was lost stops the attempt, and nothing of it is recorded', async () => {
    project = await WorkerProject.start(WAITS, { leaseMs: 60_000, heartbeatMs: 50 })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    const { token } = project.attempt(run, 'sleeper')
    await project.store.reapExpired(Date.now() + 120_000)
    const lost = project.attempt(run, 'sleeper').outcome
    expect(lost?.result).toBe('lost')
    await eventually('its processes are gone', () => processesWith(`SLUICE_CLAIM=${token}`).length === 0)
    await project.worker.close('the test is over')
    expect(project.attempt(run, 'sleeper').outcome).toEqual(lost)
    expect(project.warnings).toEqual(['the claim was lost; the attempt is stopped'])
  })

  it('that was lost while the attempt was being stopped leaves nothing to record either', async () => {
    project = await WorkerProject.start(WAITS, { leaseMs: 60_000, heartbeatMs: 50, stopMs: 500 })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    const { token } = project.attempt(run, 'sleeper')
    for (const pid of project.worker.slotPids) process.kill(pid, 'SIGSTOP')
    await project.commands.cancel(run, { user: 'test' })
    await project.store.reapExpired(Date.now() + 120_000)
    await eventually('its processes are gone', () => processesWith(`SLUICE_CLAIM=${token}`).length === 0)
    await project.worker.close('the test is over')
    expect(project.attempt(run, 'sleeper').outcome?.result).toBe('lost')
    expect(project.warnings).not.toContain('the claim was lost; the outcome is refused')
  })

  it('that ran out while the whole machine slept is kept, if the worker is heard before the reaper', async () => {
    project = await WorkerProject.start(WAITS, { leaseMs: 1_000, heartbeatMs: 60_000 })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    const leaseUntil = () => project?.store.tables.task(run, 'sleeper')?.claim?.leaseUntil ?? 0
    await eventually('the lease has run out', () => leaseUntil() < Date.now())
    await project.worker.keepLeases()
    expect(await project.store.reapExpired(Date.now())).toEqual([])
    project.write('dags/go', '')
    expect(await project.finished(run)).toBe('success')
  })

  it('counts as lost once the store has been silent for its whole length', async () => {
    const store = createMemoryStore()
    project = await WorkerProject.start(WAITS, { leaseMs: 1_000, heartbeatMs: 50 })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    const { token } = project.attempt(run, 'sleeper')
    project.store.heartbeat = () => Promise.reject(new Error('the store is away'))
    await eventually('its processes are gone', () => processesWith(`SLUICE_CLAIM=${token}`).length === 0)
    project.store.heartbeat = store.heartbeat
    expect(project.warnings).toContain('the heartbeat failed; trying again')
  })

  it('counts as lost when it ends while a heartbeat waits for an answer that never comes', async () => {
    project = await WorkerProject.start(WAITS, { leaseMs: 1_000, heartbeatMs: 50 })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    const { token } = project.attempt(run, 'sleeper')
    let refuse: (error: Error) => void = () => undefined
    const silence = new Promise<never>((_resolve, reject) => {
      refuse = reject
    })
    const { heartbeat } = project.store
    project.store.heartbeat = () => silence
    await eventually('its processes are gone', () => processesWith(`SLUICE_CLAIM=${token}`).length === 0)
    expect(project.warnings).toContain('the claim was lost; the attempt is stopped')
    expect(project.warnings).not.toContain('the heartbeat failed; trying again')
    project.store.heartbeat = heartbeat
    refuse(new Error('the store was silent'))
  })
})

describe('a worker whose epoch is over', () => {
  it('says so, because it would never be given a task again', async () => {
    project = await WorkerProject.start(WAITS, { heartbeatMs: 50 })
    let broken: Error | null = null
    void project.worker.broken.then((error) => {
      broken = error
    })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    expect(broken).toBeNull()
    await project.store.beginEpoch('another Sluice', Date.now())
    await eventually('it has noticed', () => broken !== null)
    expect(isSluiceError(broken, 'EPOCH_OVER')).toBe(true)
    expect(String(broken)).toContain('from the worker worker')
  })
})

describe('an outcome', () => {
  it('is recorded once the store is back', async () => {
    project = await WorkerProject.start(WAITS)
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    const record = project.store.recordOutcomes
    let refused = 0
    project.store.recordOutcomes = (...args) => {
      refused += 1
      return refused <= 2 ? Promise.reject(new Error('the store is away')) : record(...args)
    }
    project.write('dags/go', '')
    expect(await project.finished(run)).toBe('success')
    expect(refused).toBe(3)
  })

  it('that the store never takes does not keep the worker from ending, and is named', async () => {
    project = await WorkerProject.start(WAITS, { recordMs: 100 })
    const run = await project.trigger('waits')
    await project.said(run, 'sleeper', 'ready')
    project.store.recordOutcomes = () => Promise.reject(new Error('the store is away'))
    await project.worker.close('the test is over')
    expect(project.warnings).toContain(
      'ending with outcomes that the store did not take; their attempts will count as lost',
    )
    expect(project.attempt(run, 'sleeper').outcome).toBeNull()
  })
})
