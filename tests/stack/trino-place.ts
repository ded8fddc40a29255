import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CatalogConfig, LakehouseConfig } from '../../lakehouse/config.js'
import { trinoServer } from '../../lakehouse/engines/trino/connection.js'
import { TrinoSession } from '../../lakehouse/engines/trino/session.js'
import type { Lakehouse, WriteOutcome, WriteRequest } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from '../lakehouse/subject.js'
import { catalogDatabase } from './iceberg-lake.js'
import { S3Place } from './s3-place.js'

export function trinoUrl(): string {
  const url = process.env.TRINO_URL
  if (url === undefined || url === '') throw new Error('TRINO_URL must be set; see docs/guides/trino.md')
  return url
}

/** Schemas of their own at the Trino of the stack, over one lakehouse catalog named `lake`. */
export class TrinoPlace {
  readonly project = mkdtempSync(join(tmpdir(), 'sluice-trino-'))
  /** tables are named `SCHEMA.name` */
  readonly schema = `t${randomBytes(6).toString('hex')}`
  readonly s3 = new S3Place()
  readonly log: string[] = []
  #house: Lakehouse | null = null
  #session: TrinoSession | null = null
  #tokens = 0

  constructor(
    readonly format: CatalogConfig['format'],
    readonly url = trinoUrl(),
    /** session properties of the connection */
    private readonly session: Record<string, boolean> = {},
  ) {}

  get config(): LakehouseConfig {
    const location = `${this.s3.location}/${this.format}`
    const own: CatalogConfig = { format: this.format, location, connection: 'minio', trino: this.format }
    const jdbc = { connection: 'iceberg_catalog', name: process.env.ICEBERG_CATALOG ?? 'lake' }
    const catalog = this.format === 'iceberg' ? { ...own, jdbc } : own
    return {
      project: this.project,
      catalogs: { lake: catalog },
      connections: {
        lakehouse: { type: 'trino', url: this.url, user: 'sluice-test', session: this.session },
        minio: this.s3.connection,
        iceberg_catalog: catalogDatabase(),
      },
      cache: this.s3.cache,
    }
  }

  async house(): Promise<Lakehouse> {
    this.#house ??= await openLakehouse(this.config)
    return this.#house
  }

  /** Trino itself, for what a reader other than ours sees. */
  get trino(): TrinoSession {
    this.#session ??= new TrinoSession(trinoServer(this.config, 'lakehouse'), this.format)
    return this.#session
  }

  table(name: string): string {
    return `${this.schema}.${name}`
  }

  request(table: string, sql: string, set: Partial<WriteRequest> = {}): WriteRequest {
    const given = {
      token: `token-${++this.#tokens}`,
      now: Date.now,
      log: (_: string, line: string) => void this.log.push(line),
      ...set,
    }
    return writeRequest(this.table(table), { kind: 'select', sql }, given)
  }

  async write(table: string, sql: string, set: Partial<WriteRequest> = {}): Promise<WriteOutcome> {
    return (await this.house()).write(this.request(table, sql, set))
  }

  /** The rows of a table, each as the list of its values, in order of the first column. */
  async rows(table: string, columns = '*'): Promise<unknown[][]> {
    const rows = await this.trino.rows(`SELECT ${columns} FROM ${this.table(table)} ORDER BY 1`)
    return rows.map((row) => Object.values(row))
  }

  /** The session that a query has run with, as Trino tells it. */
  async sessionOf(queryId: string): Promise<unknown> {
    const answer = await fetch(`${this.url}/v1/query/${queryId}`, { headers: { 'X-Trino-User': 'sluice-test' } })
    return ((await answer.json()) as { session: unknown }).session
  }

  /** What staging tables of these tests are left. */
  async staged(): Promise<string[]> {
    const rows = await this.trino.rows(`SHOW TABLES FROM ${this.format}._sluice_staging`).catch(() => [])
    return rows.map((row) => String(row.Table))
  }

  async remove(): Promise<void> {
    await this.#house?.close()
    await this.trino.run(`DROP SCHEMA IF EXISTS ${this.format}.${this.schema} CASCADE`)
    this.trino.close()
    await this.s3.remove()
    rmSync(this.project, { recursive: true, force: true })
  }
}

export function published(outcome: WriteOutcome) {
  if (outcome.outcome !== 'published') throw new Error(`expected a publication, got ${outcome.outcome}`)
  return outcome.commit
}
