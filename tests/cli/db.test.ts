import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { giveStore } from '../scheduler/store/pglite-folder.js'
import { sluice } from './sluice-process.js'

let project: string
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'sluice-prune-'))
  await mkdir(join(project, 'dags'))
  await giveStore(join(project, 'data/store'))
  await writeFile(join(project, 'dags/hello.yaml'), 'dag: hello\ntasks:\n  greet: { bash: "echo hello" }\n')
})
afterAll(() => rm(project, { recursive: true, force: true }))

const prune = (...args: string[]) => sluice(['db', 'prune', ...args, '--project', project])

it('removes runs that ended long ago, with their logs, and says how many', async () => {
  const { run } = JSON.parse((await sluice(['run', 'hello', '--json', '--project', project])).stdout) as { run: string }
  const logs = join(project, 'data/logs/hello', run)
  expect(existsSync(logs)).toBe(true)
  expect((await prune('--older-than', '0s', '--dry-run')).stdout).toBe(
    'Would remove 1 run that ended more than 0s ago.\n',
  )
  expect(existsSync(logs)).toBe(true)
  const told = JSON.parse((await prune('--older-than', '0s', '--json')).stdout) as object
  expect(told).toEqual({ runs: 1, ended_before: expect.stringMatching(/Z$/), dry_run: false })
  expect(existsSync(logs)).toBe(false)
}, 60_000)

it('tells programs what a migration has applied', async () => {
  const migrated = await sluice(['db', 'migrate', '--json', '--project', project])
  expect(JSON.parse(migrated.stdout)).toEqual({ applied: [] })
}, 60_000)

it('wants to be told what is old', async () => {
  const missing = await prune()
  expect(missing.code).toBe(2)
  expect(missing.stderr).toContain('--older-than')
  expect((await prune('--older-than', 'soon')).stderr).toContain('a duration such as')
}, 60_000)

it('moves all history into another project', async () => {
  await sluice(['run', 'hello', '--project', project])
  const file = join(project, 'history.backup')
  expect((await sluice(['db', 'backup', file, '--project', project])).stdout).toMatch(
    /^Wrote .*history.backup: 1 run, /,
  )
  const other = await mkdtemp(join(tmpdir(), 'sluice-restored-'))
  await giveStore(join(other, 'data/store'))
  try {
    const told = await sluice(['db', 'restore', file, '--json', '--project', other])
    expect(JSON.parse(told.stdout)).toMatchObject({ file, rows: { runs: 1, dags: 1 } })
    const again = await sluice(['db', 'restore', file, '--project', other])
    expect(again).toMatchObject({ code: 3, stderr: expect.stringContaining('The store holds runs already') })
  } finally {
    await rm(other, { recursive: true, force: true })
  }
}, 60_000)
