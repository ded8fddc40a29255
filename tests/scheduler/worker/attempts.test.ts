import { mkdtempSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WorkFolders } from '../../../scheduler/worker/work-folder.js'
import { eventually, WorkerProject } from './worker-project.js'

const DAGS = {
  'sluice.yaml': 'vars: { greeting: hello }\n',
  'dags/flow.yaml': `dag: flow
params: { name: { type: string, default: Ada } }
tasks:
  compose: { bash: 'printf ''{"text": "%s %s"}'' {{ vars.greeting }} {{ params.name }} > "$SLUICE_OUTPUTS"' }
  say: { needs: [compose], bash: [echo, "{{ tasks.compose.outputs.text }}"] }
  nothing: { bash: ["true"] }
  not_today: { when: "{{ params.name }}", bash: ["true"] }
  skipped: { when: false, bash: ["false"] }
`,
  'dags/items.yaml': `dag: items
params: { names: { type: array, items: string, default: [a, "b'c", d] } }
tasks:
  list: { bash: 'printf ''{"files": [{"rows": 1}, {"rows": 2}]}'' > "$SLUICE_OUTPUTS"' }
  greet:
    for_each: { in: params.names, concurrency: 2 }
    when: item != 'd'
    bash: 'printf ''{"said": "%s"}'' {{ item }} > "$SLUICE_OUTPUTS"'
  per_file: { needs: [list], for_each: tasks.list.outputs.files, bash: 'printf ''{"rows": %s}'' {{ item.rows }} > "$SLUICE_OUTPUTS"' }
  after: { needs: [greet, per_file], bash: 'printf ''{"all": %s}'' {{json tasks.greet.outputs.said}} > "$SLUICE_OUTPUTS"' }
`,
  'dags/declared.yaml': `dag: declared
tasks:
  keeps: { bash: 'echo ''{"rows": 1}'' > "$SLUICE_OUTPUTS"', outputs: { rows: rows loaded } }
  forgets: { bash: ["true"], outputs: { rows: rows loaded } }
  typed: { bash: 'echo ''{"rows": 1, "files": ["a"]}'' > "$SLUICE_OUTPUTS"', outputs: { rows: integer, files: array } }
  mistyped: { bash: 'echo ''{"rows": "1", "files": ["a"]}'' > "$SLUICE_OUTPUTS"', outputs: { rows: integer, files: array } }
  adds: { bash: 'echo ''{"rows": 1, "more": 2}'' > "$SLUICE_OUTPUTS"', outputs: { rows: rows loaded } }
`,
  'dags/large.yaml': `dag: large
tasks:
  fits: { bash: 'printf ''{"a":"%065000d"}'' 0 > "$SLUICE_OUTPUTS"' }
  too_large: { bash: 'printf ''{"a":"%070000d"}'' 0 > "$SLUICE_OUTPUTS"', retries: 2 }
  too_deep: { bash: 'printf ''{"a":%s%s}'' "$(printf ''%02000d'' 0 | tr 0 [)" "$(printf ''%02000d'' 0 | tr 0 ])" > "$SLUICE_OUTPUTS"' }
`,
  'dags/fails.yaml': `dag: fails
tasks:
  flaky:
    retries: 1
    retry_delay: 0s
    bash: 'test "$SLUICE_ATTEMPT" = 2 || { echo not yet >&2; exit 3; }'
  rendering: { needs: [flaky], retries: 3, bash: [echo, "{{ tasks.flaky.outputs.missing }}"] }
`,
  'dags/surroundings.yaml': `dag: surroundings
tasks:
  env: { bash: env, env: { OWN: value, SLUICE_RUN: mine } }
  folder: { bash: 'pwd; touch left-behind; mkdir -p deep/er' }
`,
}

let project: WorkerProject

beforeAll(async () => {
  process.env.SLUICE_TEST_SECRET_OF_SERVICE = 'not for tasks'
  project = await WorkerProject.start(DAGS)
})

afterAll(async () => {
  await project.close()
  delete process.env.SLUICE_TEST_SECRET_OF_SERVICE
})

describe('an attempt', () => {
  it('runs for each item of a list, with the item in its templates, and gives all outputs on', async () => {
    const { state, tasks } = await project.run('items')
    expect(state).toBe('success')
    expect(tasks['greet.1']).toMatchObject({ state: 'success', attempt: 1, outputs: { said: "b'c" } })
    expect(tasks['greet.2']).toMatchObject({ state: 'skipped', reason: '`when` is false' })
    expect(tasks.greet).toMatchObject({ state: 'success', attempt: 0, outputs: { said: ['a', "b'c", null] } })
    expect(tasks.per_file?.outputs).toEqual({ rows: [1, 2] })
    expect(tasks.after?.outputs).toEqual({ all: ['a', "b'c", null] })
  })

  it('renders its task with params, vars and the outputs of earlier tasks', async () => {
    const { run, state, tasks } = await project.run('flow')
    expect(state).toBe('success')
    expect(tasks.compose?.outputs).toEqual({ text: 'hello Ada' })
    expect(await project.messages(run, 'say')).toEqual(['hello Ada'])
    expect(project.attempt(run, 'say').facts?.rendered).toEqual({ command: ['echo', 'hello Ada'] })
  })

  it('costs no log file when it says nothing', async () => {
    const { run } = await project.run('flow')
    expect(project.attempt(run, 'nothing').facts).toMatchObject({ logLines: 0, logBytes: 0 })
    expect(readdirSync(join(project.config.logs.location, 'flow', run))).toEqual(['say'])
  })

  it('is skipped when `when` says so', async () => {
    const { tasks } = await project.run('flow')
    expect(tasks.skipped).toMatchObject({ state: 'skipped', reason: '`when` is false' })
    expect(tasks.not_today?.state).toBe('success')
  })

  it('keeps to the outputs it declares', async () => {
    const { tasks } = await project.run('declared')
    expect(tasks.keeps).toMatchObject({ state: 'success', outputs: { rows: 1 } })
    expect(tasks.forgets).toMatchObject({ state: 'failed', reason: 'The outputs are without the declared rows.' })
    expect(tasks.adds).toMatchObject({ state: 'failed', reason: 'The outputs hold more, not declared.' })
    expect(tasks.typed).toMatchObject({ state: 'success', outputs: { rows: 1, files: ['a'] } })
    const reason = 'The outputs hold in rows "1", which is no integer.'
    expect(tasks.mistyped).toMatchObject({ state: 'failed', attempt: 1, reason })
  })

  it('may have outputs of 64 kB and no more, at once and whatever its retries', async () => {
    const { tasks } = await project.run('large')
    expect(tasks.fits?.state).toBe('success')
    expect(tasks.too_large).toMatchObject({ state: 'failed', attempt: 1 })
    expect(tasks.too_large?.reason).toMatch(/70,\d+ bytes; at most 65,536/)
    expect(tasks.too_deep).toMatchObject({ state: 'failed', reason: 'The outputs nest more than 64 levels deep.' })
  })

  it('that fails says why in its reason and its log, and is retried', async () => {
    const { run, tasks } = await project.run('fails')
    expect(tasks.flaky).toMatchObject({ state: 'success', attempt: 2 })
    expect(project.attempt(run, 'flaky', 1).outcome).toMatchObject({ result: 'failed', reason: 'exit code 3: not yet' })
    expect(await project.lines(run, 'flaky', 1)).toMatchObject([
      { line: 1, level: 'warn', message: 'not yet' },
      { line: 2, level: 'error', message: 'exit code 3: not yet' },
    ])
  })

  it('whose template cannot be rendered fails without a retry, naming the template', async () => {
    const { tasks } = await project.run('fails')
    expect(tasks.rendering).toMatchObject({ state: 'failed', attempt: 1 })
    expect(tasks.rendering?.reason).toContain('tasks.flaky.outputs.missing')
  })

  it('sees a small environment and none of the service', async () => {
    const { run } = await project.run('surroundings')
    const env = await project.messages(run, 'env')
    const names = env.map((line) => line.split('=')[0])
    expect(names).toEqual(
      expect.arrayContaining(['PATH', 'HOME', 'LANG', 'TZ', 'OWN', 'SLUICE_ATTEMPT', 'SLUICE_CLAIM']),
    )
    expect(env).toContain(`SLUICE_RUN=${run}`)
    expect(names).not.toContain('SLUICE_TEST_SECRET_OF_SERVICE')
    expect(names).not.toContain('NODE_CHANNEL_FD')
  })

  it('has a private folder that is removed afterwards', async () => {
    const { run } = await project.run('surroundings')
    const [folder] = await project.messages(run, 'folder')
    expect(folder).toBe(join(project.folder, '.sluice/work', project.attempt(run, 'folder').token))
    await eventually('the folder is gone', () => project.workFolders().length === 0)
  })

  it('has a folder of its own whether one was made ahead or not', async () => {
    const root = mkdtempSync(join(tmpdir(), 'sluice-ahead-'))
    const folders = new WorkFolders(root)
    await folders.prepare()
    const made = readdirSync(root)
    expect(made).toHaveLength(4)
    const [one, two] = [folders.of('one').path, folders.of('two').path]
    for (const name of readdirSync(root).filter((name) => name.startsWith('ahead-'))) rmdirSync(join(root, name))
    const rest = ['three', 'four', 'five', 'six', 'seven'].map((token) => folders.of(token).path)
    expect([one, two, ...rest].map((path) => (statSync(path).mode & 0o777).toString(8))).toEqual(Array(7).fill('700'))
    await folders.prepare()
    rmSync(root, { recursive: true })
  })
})
