import { readdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseChecks } from '../../lakehouse/checks/spec.js'
import type { LakehouseConfig } from '../../lakehouse/config.js'
import { trinoServer } from '../../lakehouse/engines/trino/connection.js'
import { TrinoSession } from '../../lakehouse/engines/trino/session.js'
import type { Lakehouse, WriteRequest } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { PACKAGE_ROOT } from '../../package-root.js'
import { lakehouseConfig } from '../../scheduler/lakehouse-config.js'
import { loadConfig } from '../../scheduler/load-config.js'
import { writeRequest } from '../lakehouse/subject.js'
import { sourceText } from '../source-files.js'
import { OwnMinio } from './cluster/own-minio.js'
import { OwnPostgres } from './cluster/own-postgres.js'
import { OwnTrino } from './cluster/own-trino.js'
import { makeDatabases } from './compose-databases.js'
import { ComposeServices } from './compose-services.js'

/**
 * compose.yaml's Trino without its container: the files of `trino/` in the installed server, beside a MinIO and a
 * PostgreSQL that the repository's own scripts have set up, each part with the secrets and rights that it has in compose.yaml.
 */
const compose = new ComposeServices()
const opened: (() => Promise<unknown>)[] = []
let shopUrl: string
let config: LakehouseConfig
let house: Lakehouse
let trino: TrinoSession

beforeAll(async () => {
  const minio = await OwnMinio.start(compose)
  opened.push(() => minio.remove())
  const { POSTGRES_PASSWORD: password = '', ...environment } = compose.environment('postgres')
  const postgres = await OwnPostgres.start('postgres', password)
  opened.push(() => postgres.remove())
  compose.addresses.set('postgres:5432', `127.0.0.1:${postgres.port}`)
  makeDatabases(postgres.port, { PGPASSWORD: password, ...environment })
  shopUrl = `postgres://shop:${environment.SHOP_DB_PASSWORD}@127.0.0.1:${postgres.port}/shop`
  const server = await OwnTrino.start(compose.environment('trino'))
  opened.push(() => server.remove())
  compose.addresses.set('trino:8080', server.address)

  const project = await mkdtemp(join(tmpdir(), 'sluice-trino-config-'))
  opened.push(() => rm(project, { recursive: true, force: true }))
  config = clusterConfig(project, postgres.port)
  trino = new TrinoSession(trinoServer(config, 'lakehouse'), 'iceberg')
  house = await openLakehouse(config)
  opened.push(async () => {
    trino.close()
    await house.close()
  })
})
afterAll(async () => {
  for (const close of opened.reverse()) await close()
})

/** `dags/cluster/sluice.yaml` as a worker of compose.yaml has it; other are addresses and the cache's folder. */
function clusterConfig(project: string, postgresPort: number): LakehouseConfig {
  const text = compose.here(sourceText('dags/cluster/sluice.yaml'))
  writeFileSync(
    join(project, 'sluice.yaml'),
    text.replaceAll('host: postgres, port: 5432', `host: 127.0.0.1, port: ${postgresPort}`),
  )
  const source = { env: compose.environment('worker'), folder: project }
  const cache = { folder: join(project, 'cache'), maxBytes: 1e9 }
  return { ...lakehouseConfig(loadConfig(project), 'lakehouse', source), cache }
}

async function inShop(sql: string): Promise<void> {
  const client = new Client({ connectionString: shopUrl })
  await client.connect()
  await client.query(sql)
  await client.end()
}

/** The rows of a query on the embedded engine, which reads the bucket and the catalog with Sluice's own keys. */
async function readPastTrino(sql: string): Promise<unknown[]> {
  const connections = { ...config.connections, lakehouse: { type: 'duckdb', memory_limit: '256MB' } }
  const embedded = await openLakehouse({ ...config, connections })
  try {
    return (await embedded.query(sql, { maxRows: 100 })).rows
  } finally {
    await embedded.close()
  }
}

describe('the Trino of compose.yaml', () => {
  it('has the catalogs of trino/catalog and no other, and each answers', async () => {
    const files = readdirSync(join(PACKAGE_ROOT, 'trino/catalog')).map((file) => file.replace(/\.properties$/, ''))
    const catalogs = (await trino.rows('SHOW CATALOGS')).map((row) => row.Catalog)
    expect(catalogs.sort()).toEqual([...files, 'system'].sort())
    for (const catalog of files) {
      const schemas = (await trino.rows(`SHOW SCHEMAS FROM ${catalog}`)).map((row) => row.Schema)
      expect(schemas, catalog).toContain('information_schema')
    }
  })

  it.each([
    ['Iceberg', 'lake.gold.sales'],
    ['Delta', 'delta.gold.sales'],
  ])('takes a gated write to %s from the shop and a table in memory, which Sluice reads', async (_, table) => {
    const name = table.replaceAll('.', '_')
    await inShop(`create table ${name} (id bigint, country text, amount numeric(10, 2));
      insert into ${name} values (1, 'FR', 10.50), (2, 'DE', 20.25), (3, 'FR', 4.00)`)
    await trino.run(
      `CREATE TABLE memory.default.${name} AS SELECT * FROM (VALUES ('FR', 2), ('DE', 3)) t(code, weight)`,
    )
    const write = (id: string, token: string, mode: WriteRequest['mode']) => {
      const sql = `SELECT ${id} AS id, s.country, s.amount * r.weight AS weighted
        FROM postgres.public.${name} s JOIN memory.default.${name} r ON r.code = s.country`
      const checks = parseChecks([{ not_null: 'id' }, { unique: 'id' }, { row_count: { equals: 3 } }])
      return house.write(writeRequest(table, { kind: 'select', sql }, { mode, token, checks }))
    }
    const written = [
      { id: 1, country: 'FR', weighted: 21 },
      { id: 2, country: 'DE', weighted: 60.75 },
      { id: 3, country: 'FR', weighted: 8 },
    ]
    expect(await write('s.id', 'run/first', 'overwrite')).toMatchObject({
      outcome: 'published',
      commit: { rowsTotal: 3 },
    })
    const refused = await write('NULLIF(s.id, 2)', 'run/refused', 'append')
    expect(refused).toMatchObject({ outcome: 'refused', checks: [{ passed: false, failingRows: 1 }, {}, {}] })
    expect(await write('s.id + 3', 'run/second', 'append')).toMatchObject({ commit: { rowsAdded: 3, rowsTotal: 6 } })

    const sql = `select id, country, weighted from ${table} order by id`
    const expected = [...written, ...written.map((row) => ({ ...row, id: row.id + 3 }))]
    expect((await house.query(sql, { maxRows: 100 })).rows).toEqual(expected)
    expect(await readPastTrino(sql)).toEqual(expected)
  })
})
