import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { catalogDatabases } from '../../lakehouse/tables/iceberg/catalog-database.js'
import { JdbcCatalog } from '../../lakehouse/tables/iceberg/jdbc-catalog.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { eventually } from '../e2e/eventually.js'
import { OwnPostgres } from './cluster/own-postgres.js'

const RESTARTS = 5
const WRITERS = 4

let postgres: OwnPostgres
let catalog: JdbcCatalog
beforeAll(async () => {
  postgres = await OwnPostgres.start()
  const connection = await PostgresDatabase.open(postgres.url, { connections: 1 })
  const schema = readFileSync(new URL('../lakehouse/iceberg/jdbc-catalog.sql', import.meta.url), 'utf8')
  for (const statement of schema.split(';')) if (statement.trim() !== '') await connection.query(statement)
  await connection.close()
  const { port, user } = postgres
  const config = { type: 'postgres' as const, host: '127.0.0.1', port, database: 'postgres', user }
  catalog = new JdbcCatalog(catalogDatabases.open({ name: 'home', config }, '/'), 'lake')
})
afterAll(async () => {
  await catalog?.close()
  await postgres?.remove()
})

it(`every commit gets through while PostgreSQL restarts ${RESTARTS} times, and each once`, async () => {
  let over = false
  const made = Array.from({ length: WRITERS }, () => 0)
  const restarting = (async () => {
    for (let restart = 0; restart < RESTARTS; restart++) {
      const before = [...made]
      await postgres.restart()
      await eventually(30_000, async () => (made.every((one, writer) => one > (before[writer] ?? 0)) ? true : null))
    }
    over = true
  })()
  const writers = made.map(async (_, writer) => {
    const table = { namespace: 'silver', name: `t${writer}` }
    const at = (version: number) => (version === 0 ? null : `s3://lake/t${writer}/${version}.json`)
    let version = 0
    while (!over) {
      const next = `s3://lake/t${writer}/${version + 1}.json`
      expect(await catalog.swap(table, { expected: at(version), next }, async (current) => current === next)).toBe(true)
      version += 1
      made[writer] = version
    }
    expect(await catalog.metadataLocation(table.namespace, table.name)).toBe(at(version))
  })
  await Promise.all([restarting, ...writers])
}, 120_000)
