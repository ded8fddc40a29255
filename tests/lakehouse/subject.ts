import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LakehouseConfig } from '../../lakehouse/config.js'
import type { Lakehouse, WriteOutcome, WriteRequest } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { type IndependentRead, readDelta } from './independent-reader.js'

export const NOW = Date.UTC(2026, 10, 20, 5)

/** A lakehouse in a folder of its own. */
export class Lake {
  readonly project = mkdtempSync(join(tmpdir(), 'sluice-lake-'))
  readonly log: string[] = []
  #tokens = 0
  #opened: Lakehouse | null = null

  get config(): LakehouseConfig {
    return lakeConfig(this.project)
  }

  /** A local folder with the files of a table, for readers that know folders only. */
  async mirror(table: string): Promise<string> {
    return join(this.project, 'lake', ...table.split('.'))
  }

  /** number of a table's first version */
  readonly firstVersion: number = 0

  /** What a reader that shares nothing with Sluice finds in a table; version -1 when there is none. */
  async independent(table: string): Promise<IndependentRead> {
    return readDelta(await this.mirror(table))
  }

  async house(): Promise<Lakehouse> {
    this.#opened ??= await openLakehouse(this.config)
    return this.#opened
  }

  /** Writes a SELECT; what a test does not set is an overwrite without checks under a token of its own. */
  async write(to: string, sql: string, set: Partial<WriteRequest> = {}): Promise<WriteOutcome> {
    return (await this.house()).write(this.request(to, sql, set))
  }

  request(to: string, sql: string, set: Partial<WriteRequest> = {}): WriteRequest {
    return writeRequest(
      to,
      { kind: 'select', sql },
      { token: `token-${++this.#tokens}`, log: (_, line) => this.log.push(line), ...set },
    )
  }

  /** The rows of a query, each as the list of its values. */
  async rows(sql: string): Promise<unknown[][]> {
    const result = await (await this.house()).query(sql, { maxRows: 100_000 })
    return result.rows.map((row) => result.columns.map((column) => row[column.name]))
  }

  async remove(): Promise<void> {
    await this.#opened?.close()
    rmSync(this.project, { recursive: true, force: true })
  }
}

export function lakeConfig(project: string, memoryLimit = '512MB'): LakehouseConfig {
  return {
    project,
    catalogs: { lake: { format: 'delta', location: './lake' } },
    connections: { lakehouse: { type: 'duckdb', memory_limit: memoryLimit, threads: 2 } },
  }
}

export function writeRequest(to: string, source: WriteRequest['source'], set: Partial<WriteRequest>): WriteRequest {
  return {
    source,
    to,
    mode: 'overwrite',
    keys: [],
    partitionBy: [],
    checks: [],
    noChecks: false,
    quarantine: null,
    token: 'token',
    commitInfo: { dag: 'sales', run: 'sales-1', task: 'write', attempt: 1 },
    now: () => NOW,
    signal: new AbortController().signal,
    log: () => undefined,
    ...set,
  }
}
