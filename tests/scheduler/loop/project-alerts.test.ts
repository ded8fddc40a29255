import { describe, expect, it } from 'vitest'
import type { Problem } from '../../../scheduler/dag/model.js'
import { dag, task } from '../core/dags.js'
import { type Bench, bench } from './bench.js'

const OPS = { email: ['ops@example.com'], webhook: 'chat' }
const MINUTE = 60_000
const sales = dag('sales', [task('a')], { file: 'sales.yaml' })

function problem(file: string, set: Partial<Problem> = {}): Problem {
  return { file, line: 3, column: 5, path: '', severity: 'error', message: 'unknown key `need`', hint: '', ...set }
}

/** A reading of the DAGs folder. */
async function reads(on: Bench, dags: (typeof sales)[], problems: Problem[]): Promise<void> {
  await on.scheduler.register({ dags, broken: problems.map(({ file }) => file), problems })
  await on.pass(1_000)
}

const told = (on: Bench) => on.store.tables.alerts.map(({ kind, subject }) => `${kind} ${subject}`)

describe('a DAG file that breaks', () => {
  it('is told with its problems, once, and again when it can be used', async () => {
    const on = bench({ projectAlerts: OPS })
    on.scheduler.start()
    await reads(on, [sales], [])
    for (const message of ['unknown key `need`', 'unknown key `neeed`']) {
      await reads(on, [], [problem('sales.yaml', { message })])
    }
    expect(told(on)).toEqual(['file_broken sales.yaml'])
    expect(on.store.tables.alerts[0]?.payload).toEqual({ problems: ['sales.yaml:3:5: unknown key `need`'] })
    const to = on.store.tables.deliveries.map(({ destination }) => destination)
    expect(to).toEqual(['email ops@example.com', 'webhook chat'])
    await reads(on, [sales], [])
    await reads(on, [sales], [])
    await reads(on, [], [problem('sales.yaml')])
    expect(told(on)).toEqual(['file_broken sales.yaml', 'file_mended sales.yaml', 'file_broken sales.yaml'])
  })

  it('is told once where several schedulers read it at the same time', async () => {
    const on = bench({ projectAlerts: OPS })
    on.scheduler.start()
    await reads(on, [sales], [])
    const broken = () => on.scheduler.register({ dags: [], broken: ['sales.yaml'], problems: [problem('sales.yaml')] })
    await Promise.all([broken(), broken()])
    await on.pass(1_000)
    await broken()
    expect(told(on)).toEqual(['file_broken sales.yaml'])
  })

  it('is told by what was registered last, not by what a scheduler saw before another registered', async () => {
    const on = bench({ projectAlerts: OPS })
    let meanwhile = async () => {}
    const registerDags: typeof on.store.registerDags = async (...args) => {
      await meanwhile()
      return on.store.registerDags(...args)
    }
    const slow = bench({ store: { ...on.store, registerDags }, projectAlerts: OPS })
    await slow.pass(MINUTE)
    await reads(on, [], [problem('sales.yaml')])
    meanwhile = () => reads(on, [sales], [])
    await reads(slow, [], [problem('sales.yaml')])
    expect(told(on)).toEqual(['file_broken sales.yaml', 'file_mended sales.yaml', 'file_broken sales.yaml'])
    await reads(on, [sales], [])
    meanwhile = () => reads(on, [], [problem('sales.yaml')])
    await reads(slow, [sales], [])
    expect(told(on).slice(3)).toEqual(['file_mended sales.yaml', 'file_broken sales.yaml', 'file_mended sales.yaml'])
  })

  it('is told for a file of defaults too, and of a warning nobody is told', async () => {
    const on = bench({ projectAlerts: OPS })
    on.scheduler.start()
    await reads(on, [sales], [problem('sub/_defaults.yaml'), problem('sales.yaml', { severity: 'warning' })])
    await reads(on, [sales], [])
    expect(told(on)).toEqual(['file_broken sub/_defaults.yaml', 'file_mended sub/_defaults.yaml'])
  })

  it('is told to nobody where the project names nobody, and is not mended by being removed', async () => {
    const [quiet, on] = [bench(), bench({ projectAlerts: OPS })]
    for (const one of [quiet, on]) {
      one.scheduler.start()
      await reads(one, [], [problem('sales.yaml')])
      await reads(one, [], [])
    }
    expect([told(quiet), told(on)]).toEqual([[], ['file_broken sales.yaml']])
  })
})

describe('a worker that was not heard of', () => {
  const worker = (on: Bench) => ({
    ...{ id: 'worker-7', epoch: 0, host: 'east', pid: 7, queues: ['spark'], slots: 4, busy: 2 },
    ...{ startedAt: on.clock.now(), heartbeatAt: on.clock.now() },
  })
  const beats = (on: Bench) => on.store.heartbeat(worker(on), [], { now: on.clock.now(), leaseMs: 30_000 })

  it('is told of after a minute, once by three schedulers, and anew when it was back', async () => {
    const on = bench({ projectAlerts: OPS })
    const all = [on, bench({ store: on.store, projectAlerts: OPS }), bench({ store: on.store, projectAlerts: OPS })]
    for (const one of all) one.scheduler.start()
    await beats(on)
    for (const one of all) await one.pass(MINUTE - 1)
    expect(told(on)).toEqual([])
    for (const one of all) await one.pass(MINUTE)
    expect(told(on)).toEqual(['worker_gone worker worker-7'])
    expect(on.store.tables.alerts[0]?.payload).toMatchObject({ claims: 2, reason: 'It ran on east and served spark.' })
    await beats(on)
    for (const one of all) await one.pass(2 * MINUTE)
    expect(told(on)).toHaveLength(2)
  })

  it('is not told of when it has signed off', async () => {
    const on = bench({ projectAlerts: OPS })
    on.scheduler.start()
    await beats(on)
    await on.store.removeWorker('worker-7')
    await on.pass(3 * MINUTE)
    expect(told(on)).toEqual([])
  })
})
