import { isoInstant } from '../json.js'
import type { TableSummary, Tables, TableVersion } from '../lakehouse/lakehouse.js'
import { openTables } from '../lakehouse/open.js'
import { ownLakehouseConfig } from '../scheduler/lakehouse-config.js'
import type { TableShape, TableVersionShape } from '../scheduler/shapes.js'
import { type Client, findRunning, segment } from './client.js'
import { projectConfig } from './project.js'

/** What can be asked of tables, the same from a running Sluice and from the folders. */
export interface TableSource {
  tables(): Promise<TableShape[]>
  /** newest first; @throws SluiceError TABLE_UNKNOWN */
  versions(table: string, limit: number): Promise<TableVersionShape[]>
}

/** Asks the running Sluice, which may be on another machine; without one the tables of the project are read here. */
export async function tableSource(project: string): Promise<TableSource> {
  const client = findRunning(project)
  return client === null
    ? new LocalTables(await openTables(ownLakehouseConfig(projectConfig(project))))
    : new RemoteTables(client)
}

class RemoteTables implements TableSource {
  constructor(readonly client: Client) {}

  tables(): Promise<TableShape[]> {
    return this.client.get('/tables')
  }

  versions(table: string, limit: number): Promise<TableVersionShape[]> {
    return this.client.get(`/tables/${segment(table)}/versions?limit=${limit}`)
  }
}

class LocalTables implements TableSource {
  constructor(readonly source: Tables) {}

  async tables(): Promise<TableShape[]> {
    return (await this.source.tables()).map(tableShape)
  }

  async versions(table: string, limit: number): Promise<TableVersionShape[]> {
    return (await this.source.versions(table, { limit })).map(versionShape)
  }
}

function tableShape(table: TableSummary): TableShape {
  const { version, rows, bytes, files, format, location } = table
  return { table: table.table, format, version, rows, bytes, files, changed_at: isoInstant(table.changedAt), location }
}

function versionShape(version: TableVersion): TableVersionShape {
  return {
    version: version.version,
    committed_at: isoInstant(version.committedAt),
    operation: version.operation,
    run: version.run,
    task: version.task,
    user: version.user,
    reason: version.reason,
    rows_added: version.rowsAdded,
    rows_updated: version.rowsUpdated,
    rows_removed: version.rowsRemoved,
  }
}
