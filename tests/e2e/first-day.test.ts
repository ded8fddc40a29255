import { once } from 'node:events'
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureWritable } from '../../cli/writable.js'
import type { RunListEntry, TableShape, TableVersionShape, TaskShape } from '../../scheduler/shapes.js'
import { sluice } from '../cli/sluice-process.js'
import { eventually } from './eventually.js'
import { Project, type Up } from './project.js'

/** What the checks of the example find in the dirt of its data; see dags/data/README.md. */
const WARNINGS = {
  'no flight twice': 2,
  'delay is believable': 1,
  'wet days have precipitation': 113,
  'airports have a city': 12,
  'no month is late beyond two in five': 1,
  'nobody waits half a day': 5,
}

describe('the first day', () => {
  let project: Project
  let up: Up
  let run: RunListEntry & { tasks: TaskShape[] }
  let cookie = ''

  beforeAll(async () => {
    project = await Project.example()
    up = await project.up('--first-run', 'airline_delays')
  })

  afterAll(async () => {
    await project.remove()
  })

  it('logs in by the link, once', async () => {
    const first = await fetch(up.loginLink, { redirect: 'manual' })
    expect(first.status).toBe(303)
    cookie = first.headers.get('set-cookie')?.split(';')[0] ?? ''
    const home = await fetch(new URL('/dags', up.loginLink), { headers: { cookie } })
    expect(home.status).toBe(200)
    expect(await home.text()).toContain('airline_delays')
    const again = await fetch(up.loginLink, { redirect: 'manual' })
    expect(again.headers.get('set-cookie')).toBeNull()
    expect(await again.text()).toContain('used')
  })

  it('shows a green history within 30 seconds', async () => {
    run = await eventually(30_000, async () => {
      const [first] = await project.json<RunListEntry[]>('runs')
      if (first === undefined || first.ended_at === null) return null
      return { ...first, tasks: await project.json<TaskShape[]>('tasks', first.run) }
    })
    expect(run.tasks.map(({ task, state, reason }) => ({ task, state, reason }))).toEqual(
      run.tasks.map(({ task }) => ({ task, state: 'success', reason: expect.any(String) })),
    )
    expect(run.tasks).toHaveLength(10)
  })

  it('has the run, its tables and its checks on the first page, soon after the start', async () => {
    const page = await (await fetch(new URL('/', up.loginLink), { headers: { cookie } })).text()
    expect(performance.now() - up.startedAt).toBeLessThan(30_000)
    expect(page).toMatch(new RegExp(`s-success[^>]*>(?:(?!</th>).)*href="/runs/${run.run}"`, 's'))
    for (const table of ['bronze.flights', 'silver.flights', 'gold.airport_months']) expect(page).toContain(table)
    const checks = run.tasks.flatMap((task) => task.checks)
    expect(page).toContain(`${Object.keys(WARNINGS).length} of ${checks.length} warned`)
  })

  it('has checks that find the dirt, and say how much', () => {
    const failed = run.tasks.flatMap(({ checks }) => checks).filter(({ passed }) => !passed)
    expect(Object.fromEntries(failed.map((check) => [check.name, check.failing_rows]))).toEqual(WARNINGS)
    expect(failed.every(({ severity }) => severity === 'warn')).toBe(true)
  })

  it('has tables with the run behind each version', async () => {
    const tables = await project.json<TableShape[]>('tables')
    expect(Object.fromEntries(tables.map(({ table, rows }) => [table, rows]))).toMatchObject({
      'bronze.airports': 3_376,
      'bronze.flights': 32_816,
      'bronze.weather': 2_922,
      'silver.flights': 32_815,
      'gold.airport_months': 24,
    })
    const [version] = await project.json<TableVersionShape[]>('tables', 'silver.flights')
    expect(version).toMatchObject({ version: 0, run: run.run, task: 'silver_flights', rows_added: 32_815 })
  })

  it('answers a query without losing digits', async () => {
    const rows = await project.json(
      'query',
      'select sum(flights) as n, 12345678901234567890.5 as d from gold.airport_months',
    )
    expect(rows).toEqual([{ n: 32_814, d: '12345678901234567890.5' }])
  })

  it('rolls a table back, as a new version with its reason', async () => {
    const table = 'gold.airport_months'
    const params = ['--param', 'late_after=60', '--task', 'gold_airport_months']
    expect((await project.sluice('run', 'airline_delays', ...params)).code).toBe(0)
    const made = await project.json<TableVersionShape>(
      'tables',
      'rollback',
      table,
      '--to',
      '0',
      '--reason',
      'too lenient',
    )
    expect(made).toMatchObject({ version: 2, user: 'cli', reason: 'too lenient' })
    const versions = await project.json<TableVersionShape[]>('tables', table)
    expect(versions.map(({ version }) => version)).toEqual([2, 1, 0])
    const answer = await project.sluice('tables', 'rollback', table, '--to', '9')
    expect(answer).toMatchObject({ code: 1, stdout: '' })
    expect(answer.stderr).toContain('is at 2; only an earlier version')
  })

  it('leaves a file that only its owner can read', () => {
    expect(statSync(join(project.folder, '.sluice/instance.json')).mode & 0o777).toBe(0o600)
  })

  it('refuses a second one on the same folder, by name', async () => {
    const { code, stderr } = await project.sluice('up', '--port', '0')
    expect(code).toBe(3)
    expect(stderr).toContain(`Sluice already runs on ${project.folder}: http://localhost:`)
    expect(stderr).toContain(`process ${up.pid}`)
    expect(stderr).toContain('hint: Use that one, stop it')
  })

  it('refuses one that does not see the first, as in another container, by its store', async () => {
    const file = join(project.folder, '.sluice/instance.json')
    renameSync(file, `${file}.aside`)
    const { code, stderr } = await project.sluice('up', '--port', '0')
    renameSync(`${file}.aside`, file)
    expect(code).toBe(3)
    expect(stderr).toMatch(new RegExp(`^error: Another Sluice \\(pid ${up.pid}\\) uses the store folder`))
  })

  it('stops cleanly at Ctrl-C, which npm may hand on a second time', async () => {
    process.kill(up.pid, 'SIGINT')
    await eventually(10_000, async () => (up.output.includes('SIGINT: stopping') ? true : null))
    expect(await up.end('SIGINT')).toBe(0)
    expect(up.output).toContain('Stopped.')
    expect(existsSync(join(project.folder, '.sluice/instance.json'))).toBe(false)
    expect((await project.sluice('runs')).code).toBe(3)
  })

  it('starts again soon, has lost nothing and runs nothing by itself', async () => {
    const before = run.run
    up = await project.up('--first-run', 'airline_delays')
    expect((await project.json<RunListEntry[]>('runs')).map((entry) => entry.run)).toEqual([expect.any(String), before])
    expect(await project.json('tasks', before)).toEqual(run.tasks)
    expect(await up.end('SIGTERM')).toBe(0)
  })

  it('starts again after kill -9, also when another process has got its number, and the old token is worth nothing', async () => {
    up = await project.up()
    const left = await project.instance()
    await up.end('SIGKILL')
    await project.write('.sluice/instance.json', JSON.stringify({ ...left, pid: process.pid }))
    const { code, stderr } = await project.sluice('runs')
    expect([code, stderr]).toEqual([3, expect.stringContaining('No Sluice runs on the project')])
    const { token } = left
    up = await project.up()
    const { url } = await project.instance()
    const answer = await fetch(`${url}/api/v1/runs`, { headers: { authorization: `Bearer ${token}` } })
    expect(answer.status).toBe(401)
    expect(await project.json<RunListEntry[]>('runs')).toHaveLength(2)
  })
})

it.each(['/sys/sluice', '/dev/null/sluice'])('a folder that cannot be written: %s', async (folder) => {
  const reason = /^Sluice cannot write to \S+: (permission is denied|the file system is read-only|a file stands)/
  await expect(ensureWritable(folder)).rejects.toMatchObject({
    code: 'NOT_WRITABLE',
    message: expect.stringMatching(reason),
  })
})

describe('what may be wrong on the first day', () => {
  let project: Project

  beforeAll(async () => {
    project = await Project.create()
  })

  afterAll(async () => {
    await project.remove()
  })

  it('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, stderr } = await project.sluice('up', '--port', String(port))
    other.close()
    expect(code).toBe(3)
    expect(stderr).toBe(
      `error: Another program listens on port ${port} of 127.0.0.1.\nhint: Stop the other program or choose another port with --port.\n`,
    )
    expect(existsSync(join(project.folder, 'data'))).toBe(false)
  })

  it.each(['.sluice', 'data'])('%s that is no folder', async (name) => {
    await project.write(name, 'a file stands here')
    const { code, stderr } = await project.sluice('up', '--port', '0')
    expect(code).toBe(3)
    expect(stderr).toMatch(/^error: .*(a file stands where a folder should|is not a folder)/)
    expect(stderr).not.toContain('    at ')
    await rm(join(project.folder, name))
  })

  it('a folder that is no project', async () => {
    const folder = join(project.folder, 'dags')
    const { code, stderr } = await sluice(['up', '--port', '0', '--project', folder])
    expect(code).toBe(2)
    expect(stderr).toContain(`There is no DAGs folder ${join(folder, 'dags')}.`)
    expect(readdirSync(folder)).toEqual([])
  })

  it('an address that this machine does not have', async () => {
    const { code, stderr } = await project.sluice('up', '--port', '0', '--host', '192.0.2.1')
    expect(code).toBe(2)
    expect(stderr).toContain('This machine has no address 192.0.2.1.')
  })
})
