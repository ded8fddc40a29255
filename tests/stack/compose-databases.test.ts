import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LakehouseConfig } from '../../lakehouse/config.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { migrate } from '../../scheduler/store/migrate.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { writeRequest } from '../lakehouse/subject.js'
import { OwnPostgres } from './cluster/own-postgres.js'
import { makeDatabases } from './compose-databases.js'
import { S3Place } from './s3-place.js'

const ROLES = ['sluice', 'iceberg', 'shop']
/** A quote, a dollar and a backslash: a password is data, whatever is in it. */
const passwordOf = (role: string) => `${role}'s $ecret\\`

let postgres: OwnPostgres
let place: S3Place

beforeAll(async () => {
  place = new S3Place()
  postgres = await OwnPostgres.start('postgres', 'of-the-superuser')
  const passwords = ROLES.map((role) => [`${role.toUpperCase()}_DB_PASSWORD`, passwordOf(role)] as const)
  makeDatabases(postgres.port, { PGPASSWORD: 'of-the-superuser', ...Object.fromEntries(passwords) })
})
afterAll(async () => {
  await place.remove()
  await postgres?.remove()
})

function urlOf(role: string, database = role, password = passwordOf(role)): string {
  return `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:${postgres.port}/${database}`
}

async function failureToOpen(url: string): Promise<string> {
  const failure = await PostgresDatabase.open(url).then(
    () => 'was opened',
    (error: Error) => error,
  )
  expect(failure).toMatchObject({ code: 'CONNECTION_DENIED' })
  return String(failure)
}

describe("the databases of compose.yaml's PostgreSQL", () => {
  it('are each open to their own role, by its password, and to no other', async () => {
    for (const role of ROLES) {
      const database = await PostgresDatabase.open(urlOf(role), { connections: 1 })
      const [mine] = await database.query('select current_database() as database, current_user as role')
      expect(mine).toEqual({ database: role, role })
      await database.close()
      expect(await failureToOpen(urlOf(role, role, 'wrong'))).toContain('password authentication failed')
      for (const other of ROLES) {
        if (other !== role) expect(await failureToOpen(urlOf(role, other))).toContain('permission denied for database')
      }
    }
  })

  it('take the store of Sluice by its role', async () => {
    const database = await PostgresDatabase.open(urlOf('sluice'), { connections: 1 })
    await migrate(database, Date.now())
    expect(await database.query('select count(*) as runs from runs')).toEqual([{ runs: 0 }])
    await database.close()
  })

  it('hold a catalog in which the role of Iceberg makes and reads tables', async () => {
    const address = { host: '127.0.0.1', port: postgres.port, database: 'iceberg', user: 'iceberg' }
    const jdbc = { connection: 'iceberg_catalog', name: 'lake' }
    const config: LakehouseConfig = {
      project: place.project,
      catalogs: { lake: { format: 'iceberg', location: place.location, connection: 'minio', jdbc } },
      connections: {
        lakehouse: { type: 'duckdb', memory_limit: '256MB' },
        minio: place.connection,
        iceberg_catalog: { type: 'postgres', ...address, password: passwordOf('iceberg') },
      },
      cache: place.cache,
    }
    const house = await openLakehouse(config)
    await house.write(writeRequest('silver.t', { kind: 'select', sql: 'select 7 as n' }, { token: 'run/t' }))
    expect((await house.query('select n from silver.t', { maxRows: 9 })).rows).toEqual([{ n: 7 }])
    await house.close()
    const database = await PostgresDatabase.open(urlOf('iceberg'), { connections: 1 })
    const tables = await database.query('select catalog_name, table_namespace, table_name from iceberg_tables')
    expect(tables).toEqual([{ catalog_name: 'lake', table_namespace: 'silver', table_name: 't' }])
    await database.close()
  })
})
