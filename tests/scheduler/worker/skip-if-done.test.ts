import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WorkerProject } from './worker-project.js'

/** `did NAME` leaves a trace of what really ran. */
const did = (name: string) => `echo ran >> ${name}.trace`

const DAGS = {
  'sluice.yaml': '',
  'dags/calm.yaml': `dag: calm
params: { country: { type: string, default: France }, day: { type: string, default: today } }
tasks:
  load:
    skip_if_done: true
    bash: 'cd "$HERE"; ${did('load')}; printf ''{"of": "%s"}'' {{ params.country }} > "$SLUICE_OUTPUTS"'
    env: { HERE: /HERE }
  after: { needs: [load], bash: [echo, "{{ tasks.load.outputs.of }}"] }
  env: { skip_if_done: true, bash: 'env | grep SLUICE_INTERVAL || echo none', env: { OF: "{{ run.id }}" } }
  always: { bash: 'env | grep -c SLUICE_INTERVAL' }
  each:
    for_each: [b, a]
    skip_if_done: true
    bash: 'cd /HERE; ${did('each')}; printf ''{"of": "%s"}'' {{ item }} > "$SLUICE_OUTPUTS"'
  fails: { trigger_rule: always, skip_if_done: true, bash: 'cd /HERE; ${did('fails')}; false' }
`,
  'dags/source.yaml': `dag: source
params: { n: { type: integer, default: 1 } }
tasks:
  orders: { sql: { query: "SELECT {{ params.n }} AS n", to: bronze.orders } }
`,
  'dags/totals.yaml': `dag: totals
params: { to: { type: string, default: gold.totals } }
tasks:
  totals: { skip_if_done: true, sql: { query: SELECT sum(n) AS n FROM bronze.orders, to: gold.totals } }
`,
  'dags/other.yaml': `dag: other
tasks:
  totals: { sql: { query: SELECT 0 AS n, to: gold.totals } }
`,
}

let project: WorkerProject

const ran = (name: string): number => {
  const file = join(project.folder, `${name}.trace`)
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0
}

beforeAll(async () => {
  project = await WorkerProject.start({ 'sluice.yaml': '' })
  for (const [path, text] of Object.entries(DAGS)) project.write(path, text.replaceAll('/HERE', project.folder))
  await project.register()
})

afterAll(async () => {
  await project.close()
})

beforeEach(() => {
  for (const name of ['load', 'each', 'fails']) rmSync(join(project.folder, `${name}.trace`), { force: true })
})

const LOAD = 'load'

describe('a task with skip_if_done', () => {
  it('takes over the result of an earlier run, with its outputs, and names it', async () => {
    const first = await project.run('calm')
    expect(first.tasks.load).toMatchObject({ state: 'success', outputs: { of: 'France' } })
    const second = await project.run('calm')
    const reason = `taken from ${first.run}: same inputs and version`
    expect(second.tasks.load).toMatchObject({ state: 'success', attempt: 1, reason, outputs: { of: 'France' } })
    expect(ran('load')).toBe(1)
    expect(await project.messages(second.run, 'after')).toEqual(['France'])
    expect(await project.messages(second.run, LOAD)).toEqual([reason])
    const from = { run: first.run, task: 'load', attempt: 1 }
    expect(project.attempt(second.run, LOAD).facts?.metrics).toEqual({ taken_from: from })
    // items are known by what they work from, not by their place
    expect(second.tasks['each.1']).toMatchObject({ state: 'success', outputs: { of: 'a' } })
    expect(second.tasks['each.1']?.reason).toBe(`taken from ${first.run}: same inputs and version`)
    expect(ran('each')).toBe(2)
    // a third names the run that did the work, not the one that took it over
    const third = await project.run('calm')
    expect(third.tasks.load?.reason).toBe(reason)
  })

  it('runs where a rendered input is another, and after a failure', async () => {
    await project.run('calm', { country: 'Spain' })
    const before = ran('load')
    const { tasks } = await project.run('calm', { country: 'Italy' })
    expect(tasks.load?.outputs).toEqual({ of: 'Italy' })
    expect(ran('load')).toBe(before + 1)
    // a parameter that nothing of it names is no input
    await project.run('calm', { country: 'Italy', day: 'tomorrow' })
    expect(ran('load')).toBe(before + 1)
    expect(ran('fails')).toBe(3)
  })

  it('runs when it is cleared, and its new result is the one that is taken', async () => {
    const { run } = await project.run('calm', { country: 'Chile' })
    await project.commands.clear(run, [LOAD], { downstream: false, failedOnly: false }, { user: 'mira' })
    await project.finished(run)
    expect(ran('load')).toBe(2)
    const next = await project.run('calm', { country: 'Chile' })
    expect(next.tasks.load?.reason).toBe(`taken from ${run}: same inputs and version`)
    expect(project.attempt(next.run, LOAD).facts?.metrics).toMatchObject({ taken_from: { attempt: 2 } })
  })

  it('takes nothing over from a task that was marked as failed, or of another version', async () => {
    const { run } = await project.run('calm', { country: 'Peru' })
    await project.commands.mark(run, [LOAD], 'failed', { user: 'mira' })
    await project.run('calm', { country: 'Peru' })
    expect(ran('load')).toBe(2)
    appendFileSync(join(project.folder, 'dags/calm.yaml'), '# changed\n')
    await project.register()
    await project.run('calm', { country: 'Peru' })
    expect(ran('load')).toBe(3)
  })

  it('sees no interval that it does not name', async () => {
    const { run } = await project.run('calm')
    expect(await project.messages(run, 'env')).toEqual(['none'])
    expect(await project.messages(run, 'always')).toEqual(['2'])
  })

  it('runs again once a table that it read or wrote has another version', async () => {
    await project.run('source', { n: 1 })
    const first = await project.run('totals')
    expect(first.tasks.totals?.reason).toBe('gold.totals v0, +1 rows')
    const second = await project.run('totals')
    const reason = `taken from ${first.run}: same inputs and version; it wrote gold.totals v0`
    expect(second.tasks.totals).toMatchObject({
      state: 'success',
      reason,
      outputs: { table: 'gold.totals', version: 0 },
    })
    expect(project.attempt(second.run, 'totals').facts).toMatchObject({
      reads: [{ table: 'bronze.orders', version: 0 }],
      writes: [],
    })

    await project.run('source', { n: 2 })
    const third = await project.run('totals')
    expect(third.tasks.totals?.reason).toContain('gold.totals v1')
    expect(await project.messages(third.run, 'totals')).toContain(
      `The result of ${first.run} is not taken over: bronze.orders is at version 1, not 0.`,
    )
    expect((await project.run('totals')).tasks.totals?.reason).toContain(`taken from ${third.run}`)

    await project.run('other')
    expect((await project.run('totals')).tasks.totals?.reason).toContain('gold.totals v3')
    rmSync(join(project.folder, 'data/lake/gold'), { recursive: true })
    expect((await project.run('totals')).tasks.totals?.reason).toBe('gold.totals v0, +1 rows')
  })
})
