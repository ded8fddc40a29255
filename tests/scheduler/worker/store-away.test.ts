import { afterEach, describe, expect, it } from 'vitest'
import { SluiceError } from '../../../errors.js'
import type { Store } from '../../../scheduler/store/store.js'
import { eventually, WorkerProject } from './worker-project.js'

/** What a store says that is being started anew: the second is told by a server that shuts down, the others by nobody. */
const AWAY = [
  new Error('the connection is gone'),
  Object.assign(new Error('shutting down'), { code: '57P01' }),
  Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }),
]
const REFUSED = Object.assign(new Error('invalid input syntax'), { code: '22P02' })

/** No retries: what the store costs an attempt would fail the run. */
const DAGS = {
  'dags/given.yaml': `dag: given
tasks:
  first: { bash: "echo '{\\"rows\\": 1}' > $SLUICE_OUTPUTS" }
  second: { needs: [first], bash: "echo {{ tasks.first.outputs.rows }}" }
`,
  'dags/one.yaml': `dag: one
tasks:
  only: { bash: ["true"] }
`,
  'dags/waits.yaml': `dag: waits
tasks:
  child: { trigger_dag: { dag: one } }
`,
}

let project: WorkerProject | null = null
afterEach(async () => {
  await project?.close()
  project = null
})

function failed(cause: Error | undefined): SluiceError {
  return new SluiceError('STORE_FAILED', `The store failed: ${cause?.message}.`, { cause })
}

/** The first calls of a method fail; `done` are carried out all the same, so that only their answer is lost. */
function failing<Name extends 'claim' | 'dagVersion' | 'outputsOf' | 'saveHandle'>(
  store: Store,
  name: Name,
  causes: readonly Error[],
  done: 'carried out' | 'not carried out' = 'not carried out',
): { calls(): number } {
  const real = store[name].bind(store) as (...args: unknown[]) => Promise<unknown>
  let calls = 0
  const replaced = async (...args: unknown[]) => {
    const cause = causes[calls]
    calls += 1
    if (cause === undefined) return real(...args)
    if (done === 'carried out') await real(...args)
    throw failed(cause)
  }
  Object.assign(store, { [name]: replaced })
  return { calls: () => calls }
}

/** Triggers a run, and lets nobody claim its tasks before the store has been prepared for them. */
async function triggerThen(one: WorkerProject, dag: string, prepare: () => void): Promise<string> {
  const { claim } = one.store
  let open: () => void = () => undefined
  const ready = new Promise<void>((resolve) => {
    open = resolve
  })
  one.store.claim = (...args) => ready.then(() => claim(...args))
  const run = await one.trigger(dag)
  prepare()
  open()
  return run
}

describe('a store that is away for a moment costs no try', () => {
  it.each(['dagVersion', 'outputsOf'] as const)('while an attempt is prepared: %s', async (name) => {
    project = await WorkerProject.start(DAGS)
    const { store } = project
    let asked = { calls: () => 0 }
    const run = await triggerThen(project, 'given', () => {
      asked = failing(store, name, AWAY)
    })
    expect(await project.finished(run)).toBe('success')
    expect(asked.calls()).toBeGreaterThan(AWAY.length)
    expect(project.warnings).toContain('an attempt could not be prepared; trying again')
    expect(project.attempt(run, 'first').attempt).toBe(1)
  })

  it('but a refusal that asking again cannot change does', async () => {
    project = await WorkerProject.start(DAGS)
    const { store } = project
    const run = await triggerThen(project, 'one', () => failing(store, 'dagVersion', [REFUSED]))
    expect(await project.finished(run)).toBe('failed')
    expect(project.attempt(run, 'only').outcome?.reason).toContain('the attempt could not be prepared')
  })

  it('while the handle of outside work is saved', async () => {
    project = await WorkerProject.start(DAGS)
    const asked = failing(project.store, 'saveHandle', AWAY)
    const run = await project.trigger('waits')
    expect(await project.finished(run)).toBe('success')
    expect(asked.calls()).toBeGreaterThan(AWAY.length)
    expect(project.attempt(run, 'child').outcome?.result).toBe('deferred')
  })

  it.each(['carried out', 'not carried out'] as const)('while it is asked for work, a claim being %s', async (done) => {
    project = await WorkerProject.start(DAGS)
    const asked = failing(project.store, 'claim', AWAY, done)
    const run = await project.trigger('one')
    expect(await project.finished(run)).toBe('success')
    expect(asked.calls()).toBeGreaterThan(AWAY.length)
    expect([...(project.store.tables.attempts.get(run)?.values() ?? [])]).toMatchObject([{ attempt: 1 }])
    const lost = 'claims whose answer was lost were given back'
    expect(project.warnings.includes(lost)).toBe(done === 'carried out')
  })

  it('nor at the end of a worker that has not heard what it was given', async () => {
    project = await WorkerProject.start(DAGS)
    const away = Array.from({ length: 100 }, () => new Error('away'))
    const asked = failing(project.store, 'claim', away, 'carried out')
    const run = await project.trigger('one')
    await eventually('it is claimed', async () => (await project?.tasks(run))?.only?.state === 'running')
    expect(asked.calls()).toBeGreaterThan(0)
    await project.worker.close('the test is over')
    expect((await project.tasks(run)).only).toMatchObject({ state: 'queued', tries: 1 })
    expect(project.store.tables.attempts.get(run)?.size).toBe(0)
  })

  it('nor does it keep an attempt from being stopped', async () => {
    project = await WorkerProject.start(DAGS)
    const { store } = project
    const away = Array.from({ length: 1_000 }, () => new Error('away'))
    let asked = { calls: () => 0 }
    const run = await triggerThen(project, 'one', () => {
      asked = failing(store, 'dagVersion', away)
    })
    await eventually('it is being prepared', () => asked.calls() > 0)
    await project.commands.cancel(run, { user: 'test' })
    expect(await project.finished(run)).toBe('cancelled')
  })
})
