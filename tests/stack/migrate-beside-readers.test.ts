import { randomUUID } from 'node:crypto'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { type AppliedMigration, appliedMigrations, migrate } from '../../scheduler/store/migrate.js'
import { sqlStore } from '../../scheduler/store/open-store.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { NOW } from '../scheduler/store/suite/subject.js'

const url = process.env.PG_DSN ?? ''
/** Proves a `check` on all attempts, so it needs the table for itself. */
const BEFORE_STOPPED = 18
const SHORT = { waitMs: 200, pauseMs: 200 }
/** Well below the time after which the statement of a part gives up. */
const NOT_FOR_LONG_MS = 5_000

let before: AppliedMigration[]
let database: PostgresDatabase
let reader: Awaited<ReturnType<PostgresDatabase['session']>>
let schema: string

async function inNewSchema(): Promise<PostgresDatabase> {
  if (url === '') throw new Error('PG_DSN must name a PostgreSQL server')
  schema = `migrate_${randomUUID().replaceAll('-', '')}`
  const admin = await PostgresDatabase.open(url)
  await admin.query(`create schema ${schema}`)
  await admin.close()
  return PostgresDatabase.open(url, { searchPath: schema })
}

async function drop(): Promise<void> {
  await database.query(`drop schema ${schema} cascade`)
  await database.close()
}

beforeAll(async () => {
  database = await inNewSchema()
  await migrate(database, NOW)
  before = (await appliedMigrations(database)).filter(({ number }) => number <= BEFORE_STOPPED)
  await drop()
})
beforeEach(async () => {
  database = await inNewSchema()
  await migrate(database, NOW, { upTo: before })
  reader = await database.session()
  await reader.query('begin isolation level repeatable read')
  await reader.query('select count(*) from attempts')
})
afterEach(async () => {
  reader.release()
  await drop()
})

it('a migration waits for a long read, claims do not wait behind it, and it passes when the read ends', async () => {
  let isOver = false
  let migrating: Promise<{ applied: string[] }> = Promise.resolve({ applied: [] })
  const message = await new Promise<string>((waiting, failed) => {
    migrating = migrate(database, NOW, { patience: { ...SHORT, tries: 1_000, waiting } }).finally(() => {
      isOver = true
    })
    migrating.catch(failed)
  })
  expect(message).toBe('The migration 0019_stopped.sql waits for a table that is in use, for up to 400 s.')
  const store = sqlStore(database, async () => undefined)
  const worker = { id: 'worker', epoch: 0, queues: ['default'] }
  for (let pass = 0; pass < 10; pass += 1) {
    const asked = performance.now()
    expect(await store.claim(worker, { now: NOW, leaseMs: 30_000, limit: 2 })).toEqual([])
    expect(performance.now() - asked).toBeLessThan(NOT_FOR_LONG_MS)
  }
  expect(isOver).toBe(false)
  await reader.query('commit')
  expect((await migrating).applied[0]).toBe('0019_stopped.sql')
})

it('a migration that never gets its table says who is in the way, and has changed nothing', async () => {
  await expect(migrate(database, NOW, { patience: { ...SHORT, tries: 2 } })).rejects.toMatchObject({
    code: 'STORE_BUSY',
    message: expect.stringMatching(
      /^The migration 0019_stopped\.sql has not got .* for itself within 1 s(; the oldest transaction is of pid \d+ \(.*\), since .*Z)?\.$/,
    ),
  })
  expect(await appliedMigrations(database)).toEqual(before)
  await reader.query('commit')
  expect((await migrate(database, NOW)).applied[0]).toBe('0019_stopped.sql')
})
