import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { LakehouseConfig, PostgresConnection } from '../../lakehouse/config.js'
import { S3Bucket } from '../../lakehouse/objects/s3-bucket.js'
import { readIceberg } from '../lakehouse/iceberg/independent-reader.js'
import type { IndependentRead } from '../lakehouse/independent-reader.js'
import { Lake } from '../lakehouse/subject.js'
import { pythonWithIceberg, runScript } from './python-env.js'
import { S3Place } from './s3-place.js'

function variable(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} must be set; see docs/guides/iceberg.md`)
  return value
}

/** The database that Trino and Spark keep their Iceberg catalog in. */
export function catalogDatabase(): PostgresConnection {
  const url = new URL(variable('ICEBERG_JDBC_URL').replace(/^jdbc:/, ''))
  return {
    type: 'postgres',
    host: url.hostname,
    port: Number(url.port),
    database: url.pathname.slice(1),
    user: variable('PGUSER'),
    password: variable('PGPASSWORD'),
  }
}

/**
 * A lakehouse of Iceberg tables in a bucket, in the catalog that Trino and Spark use. Its tables lie in a schema of its
 * own, `name`, so several run beside each other.
 */
export class StackIcebergLake extends Lake {
  readonly place: S3Place
  readonly schema = `sluice_${randomUUID().slice(0, 8)}`
  override readonly firstVersion = 1

  /**
   * @param through another way to the catalog's database, e.g. a proxy
   * @param endpoint another way to the object store
   */
  constructor(
    private readonly through: { host: string; port: number } | null = null,
    endpoint?: string,
  ) {
    super()
    this.place = new S3Place(endpoint)
  }

  override get config(): LakehouseConfig {
    return {
      project: this.project,
      catalogs: {
        lake: {
          format: 'iceberg',
          location: variable('LAKE_WAREHOUSE'),
          connection: 'minio',
          jdbc: { connection: 'iceberg_catalog', name: variable('ICEBERG_CATALOG') },
        },
      },
      connections: {
        lakehouse: { type: 'duckdb', memory_limit: '512MB', threads: 2 },
        minio: this.place.connection,
        iceberg_catalog: { ...catalogDatabase(), ...this.through },
      },
      cache: this.place.cache,
    }
  }

  /** A table of this lake by its short name. */
  table(name: string): string {
    return `${this.schema}.${name}`
  }

  override async remove(): Promise<void> {
    await super.remove()
    const store = this.place.open({ location: variable('LAKE_WAREHOUSE') })
    await store.deleteAll(this.schema)
    await store.close()
    await this.place.remove()
    await forget('table_namespace', this.schema, 'namespace')
  }
}

/** A lakehouse of Iceberg tables with a catalog of its own in that database; any table name is free in it. */
export class OwnCatalogLake extends Lake {
  readonly place = new S3Place()
  readonly catalogName = `sluice-${randomUUID()}`
  override readonly firstVersion = 1

  /** @param reader who reads tables independently: pyiceberg takes seconds each time, ours milliseconds */
  constructor(private readonly reader: 'pyiceberg' | 'ours') {
    super()
  }

  override get config(): LakehouseConfig {
    const jdbc = { connection: 'iceberg_catalog', name: this.catalogName }
    return {
      project: this.project,
      catalogs: { lake: { format: 'iceberg', location: this.place.location, connection: 'minio', jdbc } },
      connections: {
        lakehouse: { type: 'duckdb', memory_limit: '512MB', threads: 2 },
        minio: this.place.connection,
        iceberg_catalog: catalogDatabase(),
      },
      cache: this.place.cache,
    }
  }

  override async independent(table: string): Promise<IndependentRead> {
    const [namespace, name] = table.split('.')
    const [found] = await inCatalog<{ metadata_location: string }>(
      'SELECT metadata_location FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3',
      [this.catalogName, namespace, name],
    )
    if (found === undefined) return { version: -1, rows: [], tokens: [] }
    return this.reader === 'ours' ? this.#readOurselves(found.metadata_location) : this.#readByPyiceberg(table)
  }

  async #readOurselves(metadataLocation: string): Promise<IndependentRead> {
    const bucket = new S3Bucket(this.place.bucket, { name: 'minio', config: this.place.connection }, this.project)
    try {
      return await readIceberg(metadataLocation, async (path) => {
        const found = await bucket.get(path.slice(`s3://${this.place.bucket}/`.length))
        if (found === null) throw new Error(`${path} is not there`)
        return found.content
      })
    } finally {
      bucket.close()
    }
  }

  async #readByPyiceberg(table: string): Promise<IndependentRead> {
    const environment = { ICEBERG_CATALOG: this.catalogName }
    const [order = ''] = (await (await this.house()).schema(table)).map(({ name }) => name)
    const found = JSON.parse(
      runScript('iceberg_table.py', ['read', table, order], pythonWithIceberg(), environment),
    ) as { version: number; rows: Record<string, unknown>[]; snapshots: Record<string, string>[] }
    return { ...found, tokens: found.snapshots.flatMap((summary) => summary['sluice.token'] ?? []) }
  }

  override async remove(): Promise<void> {
    await super.remove()
    await this.place.remove()
    await forget('catalog_name', this.catalogName, 'catalog_name')
  }
}

/** Removes what a test has left in the catalog's tables. */
async function forget(column: 'catalog_name' | 'table_namespace', value: string, other: 'catalog_name' | 'namespace') {
  await inCatalog(`DELETE FROM iceberg_tables WHERE ${column} = $1`, [value])
  await inCatalog(`DELETE FROM iceberg_namespace_properties WHERE ${other} = $1`, [value])
}

/** Asks the catalog's database past Sluice. */
async function inCatalog<Row>(text: string, values: unknown[]): Promise<Row[]> {
  const { host, port, database, user, password } = catalogDatabase()
  const client = new pg.Client({ host, port, database, user, password } as pg.ClientConfig)
  await client.connect()
  try {
    return (await client.query(text, values)).rows as Row[]
  } finally {
    await client.end()
  }
}
