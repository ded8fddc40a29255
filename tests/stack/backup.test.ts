import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { restoreBackup } from '../../scheduler/store/backup/restore.js'
import { writeBackup } from '../../scheduler/store/backup/write.js'
import { type OpenStore, openStore } from '../../scheduler/store/open-store.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { storeFolder } from '../scheduler/store/pglite-folder.js'
import { everyRow } from '../scheduler/store/suite/every-row.js'
import { NOW, newRun, runningRun } from '../scheduler/store/suite/subject.js'

const postgres = process.env.PG_DSN ?? ''
const databases = ['from', 'to'].map((name) => `backup_${name}_${randomUUID().replaceAll('-', '').slice(0, 12)}`)
const [from = '', to = ''] = databases.map(urlOf)
const here = mkdtempSync(join(tmpdir(), 'sluice-backup-'))
const embedded = storeFolder()

function urlOf(database: string): string {
  const url = new URL(postgres)
  url.pathname = `/${database}`
  return url.href
}

beforeAll(async () => {
  if (postgres === '') throw new Error('PG_DSN must name a PostgreSQL server')
  const admin = await PostgresDatabase.open(postgres, { connections: 1 })
  for (const name of databases) await admin.query(`create database ${name}`)
  await admin.close()
})
afterAll(async () => {
  const admin = await PostgresDatabase.open(postgres, { connections: 1 })
  for (const name of databases) await admin.query(`drop database if exists ${name} with (force)`)
  await admin.close()
  embedded.remove()
  rmSync(here, { recursive: true, force: true })
})

const backup = (location: string, name: string) =>
  writeBackup({ location, file: join(here, name), version: '0.0.0', now: NOW })
const restore = (location: string, name: string) => restoreBackup({ location, file: join(here, name), now: NOW })

it('is one snapshot of a store that others write to', async () => {
  const { store } = await openStore(from, NOW)
  await runningRun(store, 'sales', { maxActiveRuns: 10_000 })
  let stop = false
  let made = 0
  const writer = (async () => {
    while (!stop) {
      await store.createRun(newRun('sales', { dueAt: NOW + ++made, maxActiveRuns: 10_000 }), { now: NOW })
    }
  })()
  await expect.poll(() => made, { timeout: 60_000 }).toBeGreaterThan(50)
  const { tables } = await backup(from, 'live')
  stop = true
  await writer
  await store.close()
  // each run was made in one step with its two tasks: a snapshot has both or neither
  expect(tables.task_runs).toBe(2 * (tables.runs ?? 0))
})

it('goes from PostgreSQL to an embedded store and on to another PostgreSQL, row by row', async () => {
  await backup(from, 'server')
  const first = await rowsOf(from)
  await restore(embedded.folder, 'server')
  expect(await rowsOf(embedded.folder)).toEqual(first)
  await backup(embedded.folder, 'embedded')
  await restore(to, 'embedded')
  expect(await rowsOf(to)).toEqual(first)
  await expect(restore(to, 'embedded')).rejects.toMatchObject({ code: 'STORE_NOT_EMPTY' })
})

async function rowsOf(location: string): Promise<Record<string, unknown[]>> {
  const { store, database }: OpenStore = await openStore(location, NOW)
  const rows = await everyRow(database)
  await store.close()
  return rows
}
