import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunListEntry } from '../../scheduler/shapes.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { Project } from '../e2e/project.js'

const postgres = process.env.PG_DSN ?? ''
const database = `up_${randomUUID().replaceAll('-', '').slice(0, 12)}`
let project: Project

beforeAll(async () => {
  if (postgres === '') throw new Error('PG_DSN must name a PostgreSQL server')
  const admin = await PostgresDatabase.open(postgres, { connections: 1 })
  await admin.query(`create database ${database}`)
  await admin.close()
  const url = new URL(postgres)
  url.pathname = `/${database}`
  project = await Project.create({
    'sluice.yaml': `store: ${url.href}\n`,
    'dags/mark.yaml':
      'dag: mark\ntasks:\n  mark: { sql: { query: "select {{ run.id }} as run", to: bronze.marks, mode: append } }\n',
  })
})
afterAll(async () => {
  await project?.remove()
  const admin = await PostgresDatabase.open(postgres, { connections: 1 })
  await admin.query(`drop database if exists ${database} with (force)`)
  await admin.close()
})

it('runs everything in one process on PostgreSQL, alone, and goes on after a kill', async () => {
  const up = await project.up()
  const { stdout, code } = await project.sluice('run', 'mark', '--json')
  expect(code).toBe(0)
  expect((JSON.parse(stdout) as { state: string }).state).toBe('success')

  // another project on the same store would end the claims of this one
  const other = await Project.create({ 'sluice.yaml': `store: ${postgres.replace(/\/[^/]*$/, `/${database}`)}\n` })
  const refused = await other.sluice('up', '--port', '0')
  expect(refused.code).toBe(3)
  expect(refused.stderr).toContain('Another Sluice works on this store')
  await other.remove()

  await up.end('SIGKILL')
  await project.up()
  const runs = await project.json<RunListEntry[]>('runs')
  expect(runs.map(({ state }) => state)).toEqual(['success'])
})
