import { isSluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Catalogs, Table } from '../../catalogs.js'
import type { Commit, TableColumn, TableSummary, Tables, TableVersion } from '../../lakehouse.js'
import { mapBounded } from '../../objects/concurrency.js'
import { history } from './history.js'
import { totalRows } from './publish.js'
import { rollback } from './rollback.js'
import { typeName } from './schema.js'
import type { Snapshot } from './snapshot.js'

/** Tables summed up at once, which counts where each look is a request. */
const CONCURRENT_TABLES = 8

/** Metadata of Delta tables, read from their logs alone. */
export class DeltaTables implements Tables {
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
    const { table, snapshot } = await this.catalogs.existing(name)
    return history(table.log, snapshot.version, options)
  }

  async schema(name: string, version?: number): Promise<TableColumn[]> {
    const { table, snapshot } = await this.catalogs.existing(name)
    const { fields } = version === undefined ? snapshot : await table.log.at(version)
    return fields.map((field) => ({ name: field.name, type: typeName(field.type), nullable: field.nullable }))
  }

  async rollback(name: string, version: number, info: { user: string; reason: string; now: Instant }): Promise<Commit> {
    const { table } = await this.catalogs.existing(name)
    return rollback(table, version, info)
  }
}

/** One table that cannot be read must not hide the others. */
async function summaryOrProblem(table: Table): Promise<TableSummary | null> {
  try {
    const snapshot = await table.log.latest()
    return snapshot === null ? null : summarise(table, snapshot)
  } catch (error) {
    if (!isSluiceError(error)) throw error
    const location = table.store.location(table.log.prefix)
    const empty = { version: 0, rows: null, bytes: 0, files: 0, partitionBy: [], changedAt: 0 }
    return { table: table.label, format: 'delta', location, ...empty, problem: error.message }
  }
}

function summarise(table: Table, snapshot: Snapshot): TableSummary {
  const files = [...snapshot.files.values()]
  return {
    table: table.label,
    format: 'delta',
    location: table.store.location(table.log.prefix),
    version: snapshot.version,
    rows: totalRows(files),
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    files: files.length,
    partitionBy: snapshot.metadata.partitionColumns,
    changedAt: snapshot.committedAt,
  }
}
