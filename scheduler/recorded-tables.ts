import type { Instant } from '../json.js'
import type { Commit, TableColumn, TableSummary, Tables, TableVersion } from '../lakehouse/lakehouse.js'
import { formatTableName, parseTableName } from '../lakehouse/names.js'
import type { Database } from './store/database.js'
import { type RecordedVersion, recordedVersions } from './store/reads/tables-page.js'

/**
 * Tables whose versions name the run behind them even where the commit does not: engines that write their own metadata,
 * such as Trino, leave no room for it, and then the store knows.
 */
export class RecordedTables implements Tables {
  /** @param catalogs names of the catalogs of `sluice.yaml`, the default one first */
  constructor(
    private readonly source: Tables,
    private readonly database: Database,
    private readonly catalogs: string[],
  ) {}

  tables(): Promise<TableSummary[]> {
    return this.source.tables()
  }

  async versions(table: string, options: { limit: number; before?: number }): Promise<TableVersion[]> {
    const versions = await this.source.versions(table, options)
    const unsigned = versions.filter(isUnsigned)
    if (unsigned.length === 0) return versions
    const [defaultCatalog = ''] = this.catalogs
    const label = formatTableName(parseTableName(table, this.catalogs), defaultCatalog)
    const recorded = await recordedVersions(this.database, label, unsigned)
    return versions.map((version) => signed(version, recorded.get(version.version)))
  }

  summary(table: string): Promise<TableSummary> {
    return this.source.summary(table)
  }

  schema(table: string, version?: number): Promise<TableColumn[]> {
    return this.source.schema(table, version)
  }

  remembersSince(table: string, number: number): Promise<boolean> {
    return this.source.remembersSince(table, number)
  }

  rollback(table: string, version: number, info: { user: string; reason: string; now: Instant }): Promise<Commit> {
    return this.source.rollback(table, version, info)
  }
}

/** Its commit names neither a run nor a person. */
export function isUnsigned(version: TableVersion): boolean {
  return version.run === null && version.user === null
}

/** What the run counted is told instead of what the format says of a commit it does not know the purpose of. */
function signed(version: TableVersion, recorded: RecordedVersion | undefined): TableVersion {
  if (recorded === undefined || recorded.runId === null || !isUnsigned(version)) return version
  const { runId: run, taskId: task, attempt, operation, rowsAdded, rowsUpdated, rowsRemoved } = recorded
  return { ...version, run, task, attempt, operation, rowsAdded, rowsUpdated, rowsRemoved }
}
