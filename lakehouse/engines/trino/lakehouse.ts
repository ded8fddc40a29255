import { SluiceError } from '../../../errors.js'
import type { Instant, Json, JsonObject } from '../../../json.js'
import type { LakehouseConfig } from '../../config.js'
import type {
  Check,
  CheckOptions,
  CheckResult,
  Commit,
  Lakehouse,
  LeftOutside,
  QueryOptions,
  QueryResult,
  StatementResult,
  TableColumn,
  TableSummary,
  Tables,
  TableVersion,
  WriteOutcome,
  WriteRequest,
} from '../../lakehouse.js'
import { identifier } from '../../sql.js'
import { runChecks } from './audit.js'
import { trinoServer } from './connection.js'
import { endQueries } from './end-queries.js'
import { endWork } from './end-work.js'
import { GatedWrite } from './gated-write.js'
import { EMPTY_HANDLE, handleJson, parseHandle } from './handle.js'
import { lastCommit } from './history.js'
import { qualified, TrinoNames, type TrinoTable } from './names.js'
import { OwnView } from './own-view.js'
import { QueryProgress } from './progress.js'
import type { StatementPage } from './protocol.js'
import { finishReading, ReadingQueries } from './reading.js'
import { currentVersions, isShow, readSelect } from './select.js'
import { Rows, TrinoSession } from './session.js'
import { existingTable } from './target.js'
import { UnknownTables } from './unknown-tables.js'

/** What a Trino lakehouse leaves to others. */
export interface Neighbours {
  /** table metadata without an engine */
  tables(): Promise<Tables>
  /** the engine that reads files of the project */
  embedded(): Promise<Lakehouse>
}

/**
 * The lakehouse on a Trino, reached when it is first asked something.
 * @throws SluiceError CONNECTION_UNKNOWN when there is no such connection of type trino, CONFIG_INVALID
 */
export function openTrinoLakehouse(config: LakehouseConfig, connectionName: string, neighbours: Neighbours): Lakehouse {
  const names = new TrinoNames(config.catalogs)
  const server = trinoServer(config, connectionName)
  const session = new TrinoSession(server, names.trinoCatalog(names.defaultCatalog))
  return new TrinoLakehouse(session, names, neighbours)
}

class TrinoLakehouse implements Lakehouse {
  readonly #unknown: UnknownTables
  readonly #view = new OwnView(() => this.#metadata())
  #tables: Promise<Tables> | null = null

  constructor(
    private readonly session: TrinoSession,
    private readonly names: TrinoNames,
    private readonly neighbours: Neighbours,
  ) {
    this.#unknown = new UnknownTables(session, names, () => this.#metadata())
  }

  async tables(): Promise<TableSummary[]> {
    return (await this.#metadata()).tables()
  }

  async versions(table: string, options: { limit: number; before?: number }): Promise<TableVersion[]> {
    return (await this.#metadata()).versions(table, options)
  }

  async summary(table: string): Promise<TableSummary> {
    return (await this.#metadata()).summary(table)
  }

  async schema(table: string, version?: number): Promise<TableColumn[]> {
    return (await this.#metadata()).schema(table, version)
  }

  async remembersSince(table: string, number: number): Promise<boolean> {
    return (await this.#metadata()).remembersSince(table, number)
  }

  async rollback(
    table: string,
    version: number,
    info: { user: string; reason: string; now: Instant },
  ): Promise<Commit> {
    return (await this.#metadata()).rollback(table, version, info)
  }

  query(sql: string, options: QueryOptions): Promise<QueryResult> {
    const { outside, log = () => undefined, signal } = options
    const reading = outside === undefined ? undefined : new ReadingQueries(this.session, outside, log, signal)
    return this.#unknown.resolving(sql, async () => {
      await reading?.endEarlier()
      if (isShow(sql)) return { ...(await this.#rows(sql, options)), reads: [] }
      const facts = await readSelect(this.session, this.names, sql, { signal: options.signal })
      const [result, reads] = await Promise.all([
        this.#rows(facts.sql, options, reading),
        currentVersions(this.session, facts.tables, options.signal),
      ])
      return { ...result, reads, ...(facts.foreign.length === 0 ? {} : { foreignReads: facts.foreign }) }
    })
  }

  write(request: WriteRequest): Promise<WriteOutcome> {
    const { source } = request
    if (source.kind === 'files') return this.#writeFiles(request)
    return this.#unknown.resolving(source.sql, () => {
      const register = (table: TrinoTable) => this.#unknown.register(table)
      return new GatedWrite(this.session, this.names, request, source.sql, this.#view, register).run()
    })
  }

  check(name: string, checks: Check[], options: CheckOptions): Promise<{ version: number; checks: CheckResult[] }> {
    const { signal, now, outside, log = () => undefined } = options
    const reading = outside === undefined ? undefined : new ReadingQueries(this.session, outside, log, signal)
    return this.#unknown.resolving('', async () => {
      const table = this.names.table(name)
      await reading?.endEarlier()
      const found = await existingTable(this.session, table, signal)
      const existing =
        found ?? ((await this.#unknown.register(table)) ? await existingTable(this.session, table) : null)
      if (existing === null) throw await this.#unknown.error(table)
      const { version, committedAt } = await lastCommit(this.session, table, signal)
      const { results } = await runChecks({
        session: this.session,
        names: this.names,
        table: table.label,
        rows: `SELECT * FROM ${qualified(table)}`,
        columns: existing.columns.map((column) => column.name),
        types: new Map(existing.columns.map((column) => [identifier(column.name), column.trinoType])),
        checks,
        now,
        committedAt,
        signal,
        remember: reading?.remember,
      })
      return { version, checks: results }
    })
  }

  async execute(statement: string, options: Omit<QueryOptions, 'maxRows' | 'truncate'>): Promise<StatementResult> {
    const { sql, place } = this.names.rewrite(statement.replace(/[\s;]+$/, ''))
    const { signal, outside, log = () => undefined } = options
    // twice in a row does no harm where the author has taken care; side by side is another matter
    await endQueries(this.session, parseHandle(outside?.earlier ?? null)?.statements ?? [], {
      signal,
      ending: (queryId) => log('warn', `Ending Trino query ${queryId}, by which an earlier attempt still does this.`),
    })
    const submitted = await this.session.submit(sql, { subject: 'The statement', place, signal })
    const { id: queryId, start } = submitted
    const save = async (next: string) => {
      await outside?.save(handleJson({ ...EMPTY_HANDLE, statements: [{ queryId, start, next }] }))
    }
    await save(start)
    const progress = new QueryProgress('statement', log, (value) => outside?.progress(value))
    // what it makes may be a Delta table, so whoever comes after us must be able to fetch its answers
    const last = await submitted.finish(
      (page) => {
        progress.page(page)
        return 'more'
      },
      (next) => (next === start ? Promise.resolve() : save(next)),
    )
    return { operation: last.updateType, rows: last.updateCount, query: queryId }
  }

  async endWork(handle: Json, left: LeftOutside): Promise<void> {
    const work = parseHandle(handle)
    if (work === null) return
    const table = left.to === null ? null : this.names.table(left.to)
    await endWork(this.session, work, table, this.#view, left)
  }

  async close(): Promise<void> {
    this.session.close()
  }

  #metadata(): Promise<Tables> {
    this.#tables ??= this.neighbours.tables()
    return this.#tables
  }

  async #rows(sql: string, options: QueryOptions, reading?: ReadingQueries): Promise<Omit<QueryResult, 'reads'>> {
    const rows = new Rows(options.maxRows)
    const { log = () => undefined, outside, signal } = options
    const progress = new QueryProgress('query', log, (value: JsonObject) => outside?.progress(value))
    const statement = await this.session.submit(sql, { signal })
    const each = (page: StatementPage) => {
      progress.page(page)
      return rows.add(page)
    }
    await (reading === undefined ? statement.finish(each) : finishReading(statement, each, reading.remember))
    if (rows.truncated && options.truncate !== true) {
      const message = `The query has more than ${options.maxRows} rows.`
      throw new SluiceError('SQL_FAILED', message, { retryable: false, hint: 'Add a LIMIT, or write it to a table.' })
    }
    return { columns: rows.columns, rows: rows.rows, truncated: rows.truncated }
  }

  /** Trino reaches no files of the project: the embedded engine writes them, to the same table. */
  async #writeFiles(request: WriteRequest): Promise<WriteOutcome> {
    const embedded = await this.neighbours.embedded()
    try {
      const outcome = await embedded.write(request)
      if (outcome.outcome !== 'refused') await this.#unknown.register(this.names.table(request.to))
      return outcome
    } finally {
      await embedded.close()
    }
  }
}
