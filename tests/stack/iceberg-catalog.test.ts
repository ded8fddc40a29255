import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresConnection } from '../../lakehouse/config.js'
import { openTables } from '../../lakehouse/open.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { catalogDatabase } from './iceberg-lake.js'
import { S3Place } from './s3-place.js'

const name = `catalog_${randomUUID().replaceAll('-', '').slice(0, 12)}`
const place = new S3Place()
const urlOf = ({ user, password, host, port, database }: PostgresConnection) =>
  `postgres://${user}:${password}@${host}:${port}/${database}`

async function run(database: string, statement: string): Promise<void> {
  const connection = await PostgresDatabase.open(urlOf({ ...catalogDatabase(), database }), { connections: 1 })
  await connection.query(statement)
  await connection.close()
}

beforeAll(() => run('postgres', `create database ${name}`))
afterAll(async () => {
  await run('postgres', `drop database ${name} with (force)`)
  await place.remove()
})

function tables() {
  return openTables({
    project: place.project,
    catalogs: {
      lake: { format: 'iceberg', location: place.location, connection: 'minio', jdbc: { connection: 'home' } },
    },
    connections: { minio: place.connection, home: { ...catalogDatabase(), database: name } },
    cache: place.cache,
  })
}

describe('a database that is no catalog yet', () => {
  it('is told by its name, with what is missing', async () => {
    const { host, port } = catalogDatabase()
    await expect((await tables()).tables()).rejects.toMatchObject({
      code: 'CATALOG_NOT_PREPARED',
      retryable: false,
      message: `The database ${name} at ${host}:${port} (connection home) lacks the tables of an Iceberg JDBC catalog: relation "iceberg_tables" does not exist.`,
      hint: expect.stringContaining('docs/guides/iceberg.md'),
    })
  })

  it('or has the tables in their first form', async () => {
    await run(
      name,
      `create table iceberg_tables (catalog_name varchar(255), table_namespace varchar(255), table_name varchar(255),
       metadata_location varchar(1000), previous_metadata_location varchar(1000))`,
    )
    await expect((await tables()).summary('silver.sales')).rejects.toMatchObject({
      code: 'CATALOG_NOT_PREPARED',
      message: expect.stringContaining('in an older form (V0): column "iceberg_type" does not exist'),
    })
    await run(name, 'alter table iceberg_tables add column iceberg_type varchar(5)')
    await expect((await tables()).summary('silver.sales')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' })
  })
})
