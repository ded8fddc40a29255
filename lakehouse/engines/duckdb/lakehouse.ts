import { tmpdir } from 'node:os'
import type { DuckDBResult } from '@duckdb/node-api'
import { SluiceError } from '../../../errors.js'
import type { Instant, JsonObject } from '../../../json.js'
import { Catalogs } from '../../catalogs.js'
import { DUCKDB_MEMORY_LIMIT, type DuckdbConnection, type LakehouseConfig } from '../../config.js'
import type {
  Check,
  CheckResult,
  Lakehouse,
  QueryOptions,
  QueryResult,
  StatementResult,
  WriteOutcome,
  WriteRequest,
} from '../../lakehouse.js'
import { CatalogTables } from '../../tables/catalog-tables.js'
import { runChecks } from './audit.js'
import { GatedWrite } from './gated-write.js'
import { jsonValue } from './json-values.js'
import { fetchDataFiles, relation, snapshotFiles } from './relation.js'
import { readSelect } from './select.js'
import { DuckdbSession } from './session.js'
import { TableViews } from './views.js'

/**
 * The lakehouse on a DuckDB in this process.
 * @throws SluiceError CONNECTION_UNKNOWN when there is no such connection of type duckdb, CONFIG_INVALID
 */
export async function openDuckdbLakehouse(config: LakehouseConfig, connectionName: string): Promise<Lakehouse> {
  const connection = duckdbConnection(config, connectionName)
  const catalogs = await Catalogs.open(config)
  const openSession = (files: string[]) =>
    DuckdbSession.open({
      connection,
      catalogs: catalogs.names,
      folders: catalogs.localRoots(),
      files,
      spill: config.spill ?? tmpdir(),
    })
  return new DuckdbLakehouse(catalogs, await openSession([]), openSession)
}

function duckdbConnection(config: LakehouseConfig, name: string): DuckdbConnection {
  const connection = config.connections[name]
  if (connection === undefined) {
    const known = Object.keys(config.connections).join(', ')
    const message = `There is no connection ${name}; sluice.yaml has ${known}.`
    throw new SluiceError('CONNECTION_UNKNOWN', message, { retryable: false })
  }
  if (connection.type !== 'duckdb') {
    const message = `Connection ${name} is of type ${connection.type}; SQL runs on connections of type duckdb.`
    throw new SluiceError('CONNECTION_UNKNOWN', message, { retryable: false })
  }
  const memoryLimit = typeof connection.memory_limit === 'string' ? connection.memory_limit : DUCKDB_MEMORY_LIMIT
  return { ...connection, type: 'duckdb', memory_limit: memoryLimit }
}

class DuckdbLakehouse extends CatalogTables implements Lakehouse {
  private readonly views: TableViews

  constructor(
    catalogs: Catalogs,
    private readonly session: DuckdbSession,
    private readonly openSession: (files: string[]) => Promise<DuckdbSession>,
  ) {
    super(catalogs)
    this.views = new TableViews(session, catalogs)
  }

  async query(sql: string, options: QueryOptions): Promise<QueryResult> {
    return this.session.exclusive(async () => {
      const { tables } = await readSelect(this.session, sql)
      const reads = await this.views.pin(tables, options.signal)
      const result = await this.session.stream(sql, options.signal, (stream) => firstRows(stream, options.maxRows))
      if (result.truncated && options.truncate !== true) {
        const message = `The query has more than ${options.maxRows} rows.`
        throw new SluiceError('SQL_FAILED', message, { retryable: false, hint: 'Add a LIMIT, or write it to a table.' })
      }
      return { ...result, reads }
    })
  }

  async write(request: WriteRequest): Promise<WriteOutcome> {
    if (request.source.kind === 'select') {
      return this.session.exclusive(() => new GatedWrite(this.catalogs, this.session, this.views, request).run())
    }
    // A session of its own, because what a session may read is fixed when it opens.
    const session = await this.openSession(request.source.paths)
    try {
      const views = new TableViews(session, this.catalogs)
      return await session.exclusive(() => new GatedWrite(this.catalogs, session, views, request).run())
    } finally {
      await session.close()
    }
  }

  async check(
    name: string,
    checks: Check[],
    options: { signal?: AbortSignal; now: Instant },
  ): Promise<{ version: number; checks: CheckResult[] }> {
    return this.session.exclusive(async () => {
      const { table, snapshot } = await this.catalogs.existing(name)
      const [newest] = await this.versions(name, { limit: 1 })
      await fetchDataFiles(table, snapshot.files.values(), options.signal)
      const { results } = await runChecks({
        session: this.session,
        views: this.views,
        table: table.label,
        rows: relation(snapshotFiles(table, snapshot)),
        columns: snapshot.fields.map((field) => field.name),
        checks,
        now: options.now,
        committedAt: newest?.committedAt ?? null,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      })
      return { version: snapshot.version, checks: results }
    })
  }

  async execute(): Promise<StatementResult> {
    const message = 'A statement other than a SELECT cannot run on a connection of type duckdb.'
    const hint = 'Write a SELECT and let Sluice do the write with `to` and `mode`; DDL and procedures run on Trino.'
    throw new SluiceError('SQL_FORBIDDEN', message, { retryable: false, hint })
  }

  /** Nothing of it is outside: it ends with its process. */
  async endWork(): Promise<void> {}

  async close(): Promise<void> {
    await this.session.close()
    await this.catalogs.close()
  }
}

async function firstRows(result: DuckDBResult, maxRows: number): Promise<Omit<QueryResult, 'reads'>> {
  const names = result.deduplicatedColumnNames()
  const types = result.columnTypes()
  const rows: JsonObject[] = []
  let truncated = false
  while (!truncated) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    for (const values of chunk.getRows()) {
      if (rows.length === maxRows) {
        truncated = true
        break
      }
      rows.push(Object.fromEntries(names.map((name, index) => [name, jsonValue(values[index] ?? null)])))
    }
  }
  const columns = names.map((name, index) => ({ name, type: String(types[index]) }))
  return { columns, rows, truncated }
}
