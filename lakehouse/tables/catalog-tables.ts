import { isSluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Catalogs, Table } from '../catalogs.js'
import type { Commit, TableColumn, TableSummary, Tables, TableVersion } from '../lakehouse.js'
import { mapBounded } from '../objects/concurrency.js'
import { typeName } from './schema.js'
import { type TableSnapshot, totalRows } from './table.js'

/** Tables summed up at once, which counts where each look is a request. */
const CONCURRENT_TABLES = 8

/** Metadata of the tables of all catalogs, read without a SQL engine. */
export class CatalogTables implements Tables {
  constructor(protected readonly catalogs: Catalogs) {}

  async tables(): Promise<TableSummary[]> {
    const summaries = await mapBounded(await this.catalogs.all(), CONCURRENT_TABLES, summaryOrProblem)
    return summaries.filter((summary) => summary !== null)
  }

  async summary(name: string): Promise<TableSummary> {
    const { table, snapshot } = await this.catalogs.existing(name)
    return summarise(table, snapshot)
  }

  async versions(name: string, options: { limit: number; before?: number }): Promise<TableVersion[]> {
    const { table } = await this.catalogs.existing(name)
    return table.history(options)
  }

  async schema(name: string, version?: number): Promise<TableColumn[]> {
    const { table, snapshot } = await this.catalogs.existing(name)
    const { fields } = version === undefined ? snapshot : await table.at(version)
    return fields.map((field) => ({ name: field.name, type: typeName(field.type), nullable: field.nullable }))
  }

  async remembersSince(name: string, number: number): Promise<boolean> {
    return this.catalogs.table(name).remembersSince(number)
  }

  async rollback(name: string, version: number, info: { user: string; reason: string; now: Instant }): Promise<Commit> {
    const { table } = await this.catalogs.existing(name)
    return table.rollback(version, info)
  }
}

/** One table that cannot be read must not hide the others. */
async function summaryOrProblem(table: Table): Promise<TableSummary | null> {
  try {
    const snapshot = await table.latest()
    return snapshot === null ? null : await summarise(table, snapshot)
  } catch (error) {
    if (!isSluiceError(error)) throw error
    const empty = { version: 0, lastNumber: 0, rows: null, bytes: 0, files: 0, partitionBy: [], changedAt: 0 }
    const location = table.store.location(`${table.name.schema}/${table.name.name}`)
    return { table: table.label, format: table.format, location, ...empty, problem: error.message }
  }
}

async function summarise(table: Table, snapshot: TableSnapshot): Promise<TableSummary> {
  const files = [...snapshot.files.values()]
  return {
    table: table.label,
    format: table.format,
    location: await table.location(),
    version: snapshot.version,
    lastNumber: snapshot.lastNumber,
    rows: totalRows(files),
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    files: files.length,
    partitionBy: snapshot.partitionColumns,
    changedAt: snapshot.committedAt,
  }
}
