import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../../scheduler/store/migrate.js'
import { sqlStore } from '../../scheduler/store/open-store.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { emptied } from '../scheduler/store/emptied.js'
import { schemaOf } from '../scheduler/store/schema.js'
import { NOW } from '../scheduler/store/suite/subject.js'
import { storeSuite } from '../scheduler/store/suite.js'

const url = process.env.PG_DSN ?? ''
const schema = `suite_${randomUUID().replaceAll('-', '')}`
let database: PostgresDatabase
beforeAll(async () => {
  if (url === '') throw new Error('PG_DSN must name a PostgreSQL server')
  const admin = await PostgresDatabase.open(url)
  await admin.query(`create schema ${schema}`)
  await admin.close()
  database = await PostgresDatabase.open(url, { searchPath: schema })
})
afterAll(async () => {
  await database.query(`drop schema ${schema} cascade`)
  await database.close()
})

describe('migrations on PostgreSQL', () => {
  it('are applied once when several instances start together', async () => {
    const applied = await Promise.all(Array.from({ length: 6 }, () => migrate(database, NOW)))
    expect(applied.length).toBe(6)
    const rows = await database.query('select number from schema_migrations order by number')
    expect(rows[0]).toEqual({ number: 1 })
    expect(new Set(rows.map((row) => row.number)).size).toBe(rows.length)
  })

  it('make the same schema as on PGlite', async () => {
    await expect(await schemaOf(database, schema)).toMatchFileSnapshot('../scheduler/store/schema.txt')
  })
})

it('waits for the disk unless it is told that the next transaction will do', async () => {
  const asked = { sql: "select current_setting('synchronous_commit') as waits", params: [] }
  expect(await database.transaction([asked], 'with_next')).toEqual([[{ waits: 'off' }]])
  expect(await database.transaction([asked])).toEqual([[{ waits: 'on' }]])
  expect(await database.query(asked.sql)).toEqual([{ waits: 'on' }])
})

it('claims by a plan that is kept', async () => {
  const one = await PostgresDatabase.open(url, { connections: 1, searchPath: schema })
  try {
    await migrate(one, NOW)
    const store = sqlStore(one, async () => undefined)
    const worker = { id: 'worker', epoch: 0, queues: ['default'] }
    for (let pass = 0; pass < 9; pass++) await store.claim(worker, { now: NOW, leaseMs: 30_000, limit: 2 })
    const plans = await one.query(
      "select custom_plans, generic_plans from pg_prepared_statements where statement ~ '^\\s*with.*claimed as'",
    )
    expect(plans).toEqual([{ custom_plans: 0, generic_plans: 9 }])
  } finally {
    await one.close()
  }
})

const fresh = async () => {
  await migrate(database, NOW)
  await emptied(database)
  return sqlStore(database, async () => undefined)
}
storeSuite('PostgreSQL', fresh, { inOrder: false })
