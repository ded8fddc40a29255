import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LakehouseConfig } from '../../lakehouse/config.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { migrate } from '../../scheduler/store/migrate.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { writeRequest } from '../lakehouse/subject.js'
import { sourceText } from '../source-files.js'
import { OwnPostgres } from './cluster/own-postgres.js'
import { makeDatabases } from './compose-databases.js'
import { S3Place } from './s3-place.js'

const ROLES = ['sluice', 'iceberg', 'shop']
const SUPERUSER = { PGPASSWORD: 'of-the-superuser' }
/** A quote, a dollar and a backslash: a password is data, whatever is in it. */
const passwordOf = (role: string) => `${role}'s $ecret\\`

const TABLES = 'select catalog_name, table_namespace, table_name from iceberg_tables'
const WRITTEN = [{ catalog_name: 'lake', table_namespace: 'silver', table_name: 't' }]

let postgres: OwnPostgres
let place: S3Place

beforeAll(async () => {
  place = new S3Place()
  postgres = await freshServer()
})
afterAll(async () => {
  await place.remove()
  await postgres?.remove()
})

/** What compose starts on an empty volume. */
async function freshServer(): Promise<OwnPostgres> {
  const server = await OwnPostgres.start('postgres', SUPERUSER.PGPASSWORD)
  const passwords = ROLES.map((role) => [`${role.toUpperCase()}_DB_PASSWORD`, passwordOf(role)] as const)
  makeDatabases(server.port, { ...SUPERUSER, ...Object.fromEntries(passwords) })
  return server
}

/** Runs the guide's commands for a program of PostgreSQL inside its container, here beside a server. */
function followGuide(program: string, server: OwnPostgres): void {
  const start = `docker compose --profile core exec -T postgres ${program} `
  const commands = sourceText('docs/guides/cluster.md')
    .split('\n')
    .filter((line) => line.startsWith(start))
  expect(commands).toHaveLength(2)
  const env = { PATH: process.env.PATH, PGHOST: '127.0.0.1', PGPORT: String(server.port), ...SUPERUSER }
  for (const command of commands) {
    const inside = command.replace(start, `${program} `)
    execFileSync('bash', ['-e', '-c', inside], { cwd: place.project, env, stdio: 'pipe' })
  }
}

function urlOf(role: string, database = role, password = passwordOf(role), server = postgres): string {
  return `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:${server.port}/${database}`
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
    expect(await database.query(TABLES)).toEqual(WRITTEN)
    await database.close()
  })

  it("come back on a new server from the guide's dumps, each to its own role", async () => {
    followGuide('pg_dump', postgres)
    const fresh = await freshServer()
    try {
      followGuide('pg_restore', fresh)
      const store = await PostgresDatabase.open(urlOf('sluice', 'sluice', passwordOf('sluice'), fresh), {
        connections: 1,
      })
      expect(await migrate(store, Date.now())).toEqual({ applied: [] })
      await store.close()
      const catalog = await PostgresDatabase.open(urlOf('iceberg', 'iceberg', passwordOf('iceberg'), fresh), {
        connections: 1,
      })
      expect(await catalog.query(TABLES)).toEqual(WRITTEN)
      await catalog.query('delete from iceberg_tables')
      await catalog.close()
    } finally {
      await fresh.remove()
    }
  })
})
