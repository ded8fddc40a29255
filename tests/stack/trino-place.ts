import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CatalogConfig, LakehouseConfig } from '../../lakehouse/config.js'
import { trinoServer } from '../../lakehouse/engines/trino/connection.js'
import { TrinoNames } from '../../lakehouse/engines/trino/names.js'
import { TrinoSession } from '../../lakehouse/engines/trino/session.js'
import { stagingTable } from '../../lakehouse/engines/trino/staging.js'
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
  /** by which the staging tables of these writes begin */
  readonly #prefixes = new Set<string>()

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
    const { token = `token-${++this.#tokens}` } = set
    this.#prefixes.add(this.stagedBy(table, token))
    const log = (_: string, line: string) => void this.log.push(line)
    const given = { now: Date.now, log, ...set, token: this.token(token) }
    return writeRequest(this.table(table), { kind: 'select', sql }, given)
  }

  /** What a request has whose test names this token: nobody else at this Trino has it. */
  token(name: string): string {
    return `${name} of ${this.schema}`
  }

  /** The begin of the names of all staging tables of a token, as a test names it. */
  stagedBy(table: string, token: string): string {
    const target = new TrinoNames(this.config.catalogs).table(this.table(table))
    return prefixOf(stagingTable(target, this.token(token), 0).name)
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

  /** What staging tables are left of the writes that were asked for here: other tests use the schema too, at the same time. */
  async staged(): Promise<string[]> {
    return (await this.stagedByAnybody()).filter((name) => this.#prefixes.has(prefixOf(name)))
  }

  async stagedByAnybody(): Promise<string[]> {
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

function prefixOf(name: string): string {
  return /^s_[0-9a-f]+_/.exec(name)?.[0] ?? name
}

export function published(outcome: WriteOutcome) {
  if (outcome.outcome !== 'published') throw new Error(`expected a publication, got ${outcome.outcome}`)
  return outcome.commit
}
