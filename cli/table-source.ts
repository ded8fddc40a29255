import { existsSync } from 'node:fs'
import { isSluiceError } from '../errors.js'
import type { Tables, TableVersion } from '../lakehouse/lakehouse.js'
import { openTables } from '../lakehouse/open.js'
import type { Config } from '../scheduler/config.js'
import { ownLakehouseConfig } from '../scheduler/lakehouse-config.js'
import { isUnsigned, RecordedTables } from '../scheduler/recorded-tables.js'
import type { TableShape, TableVersionShape } from '../scheduler/shapes.js'
import { tableShape, tableVersionShape } from '../webserver/api/shapes.js'
import { type Client, findRunning, segment } from './client.js'
import { projectConfig } from './project.js'

/** What can be asked of tables, the same from a running Sluice and from the folders. */
export interface TableSource {
  tables(): Promise<TableShape[]>
  /** newest first; @throws SluiceError TABLE_UNKNOWN */
  versions(table: string, limit: number): Promise<TableVersionShape[]>
}

/**
 * Asks the running Sluice, which may be on another machine; without one the tables of the project are read here.
 * @param complain is told what could not be found out
 */
export async function tableSource(project: string, complain: (message: string) => void): Promise<TableSource> {
  const client = await findRunning(project)
  if (client !== null) return new RemoteTables(client)
  const config = projectConfig(project)
  return new LocalTables(config, await openTables(ownLakehouseConfig(config)), complain)
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
  constructor(
    private readonly config: Config,
    private readonly source: Tables,
    private readonly complain: (message: string) => void,
  ) {}

  async tables(): Promise<TableShape[]> {
    return (await this.source.tables()).map(tableShape)
  }

  async versions(table: string, limit: number): Promise<TableVersionShape[]> {
    const versions = await this.source.versions(table, { limit })
    return (versions.some(isUnsigned) ? await this.#recorded(table, limit, versions) : versions).map(tableVersionShape)
  }

  /**
   * Commits that name no run are looked up in the store. That of an embedded Sluice is held for as long as it is asked, and
   * not made where there is none.
   */
  async #recorded(table: string, limit: number, versions: TableVersion[]): Promise<TableVersion[]> {
    const { openStore, isPostgresUrl } = await import('../scheduler/store/open-store.js')
    const { store: location, catalogs } = this.config
    if (!isPostgresUrl(location) && !existsSync(location)) return versions
    try {
      const { store, database } = await openStore(location, Date.now(), { migrate: false })
      try {
        return await new RecordedTables(this.source, database, Object.keys(catalogs)).versions(table, { limit })
      } finally {
        await store.close()
      }
    } catch (error) {
      if (!isSluiceError(error)) throw error
      this.complain(`The runs behind commits of other engines are not shown: ${error.message}`)
      return versions
    }
  }
}
