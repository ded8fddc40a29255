import type { Catalogs, Table } from '../../catalogs.js'
import type { QueryResult } from '../../lakehouse.js'
import { identifier } from '../../sql.js'
import { type TableSnapshot, totalRows } from '../../tables/table.js'
import { fetchDataFiles, relation, snapshotFiles } from './relation.js'
import type { DuckdbSession } from './session.js'

/** The views under which queries see tables, each pinned to one version. */
export class TableViews {
  /** version that the view of a table stands for now, by label; the snapshot object itself tells versions apart */
  private readonly pinned = new Map<string, TableSnapshot>()

  constructor(
    private readonly session: DuckdbSession,
    private readonly catalogs: Catalogs,
  ) {}

  /**
   * Points the views of these tables at their current versions. Call it inside `session.exclusive` together with the
   * query that uses them.
   * @returns what the query will read
   * @throws SluiceError TABLE_UNKNOWN, TABLE_NAME_INVALID, TABLE_UNSUPPORTED
   */
  async pin(names: string[], signal?: AbortSignal): Promise<QueryResult['reads']> {
    const reads = new Map<string, QueryResult['reads'][number]>()
    for (const name of names) {
      const { table, snapshot } = await this.catalogs.existing(name.toLowerCase())
      await this.show(table, snapshot, signal)
      const rows = totalRows(snapshot.files.values())
      reads.set(table.label, { table: table.label, version: snapshot.version, rows })
    }
    return [...reads.values()]
  }

  private async show(table: Table, snapshot: TableSnapshot, signal: AbortSignal | undefined): Promise<void> {
    if (this.pinned.get(table.label) === snapshot) return
    await fetchDataFiles(table, snapshot.files.values(), signal)
    const { catalog, schema, name } = table.name
    const schemaName = `${identifier(catalog)}.${identifier(schema)}`
    await this.session.run(`CREATE SCHEMA IF NOT EXISTS ${schemaName}`)
    const select = relation(snapshotFiles(table, snapshot))
    await this.session.run(`CREATE OR REPLACE VIEW ${schemaName}.${identifier(name)} AS ${select}`)
    this.pinned.set(table.label, snapshot)
  }
}
