import { SluiceError } from '../errors.js'
import type { LakehouseConfig } from './config.js'
import { closest, formatTableName, isTableNamePart, parseTableName, type TableName } from './names.js'
import { mapBounded } from './objects/concurrency.js'
import type { ObjectStore } from './objects/object-store.js'
import { openCatalogStore } from './objects/open.js'
import { DeltaLog } from './tables/delta/log.js'
import type { Snapshot } from './tables/delta/snapshot.js'

/** A table with the log that holds its versions. */
export interface Table {
  /** as people write it, see `formatTableName` */
  label: string
  name: TableName
  store: ObjectStore
  log: DeltaLog
}

/** Logs kept with their snapshots; the least recently used goes first. */
const KEPT_LOGS = 256
/** Tables looked for at once, which counts where each look is a request. */
const CONCURRENT_LOOKS = 16

/** The catalogs of `sluice.yaml`: tables by name. */
export class Catalogs {
  readonly names: string[]
  readonly defaultCatalog: string
  private readonly stores = new Map<string, ObjectStore>()
  private readonly logs = new Map<string, DeltaLog>()

  /** @throws SluiceError CONFIG_INVALID when a catalog is of a form this Sluice cannot open */
  constructor(config: LakehouseConfig) {
    for (const [name, catalog] of Object.entries(config.catalogs)) {
      if (!isTableNamePart(name)) {
        throw new SluiceError('CONFIG_INVALID', `catalogs: "${name}" is not a name; use lower case, digits and _.`)
      }
      if (catalog.format !== 'delta') {
        throw new SluiceError('CONFIG_INVALID', `catalogs.${name}: format ${catalog.format} is not supported yet.`)
      }
      this.stores.set(name, openCatalogStore(config, name))
    }
    this.names = [...this.stores.keys()]
    const [first] = this.names
    if (first === undefined) throw new SluiceError('CONFIG_INVALID', 'catalogs: at least one catalog is needed.')
    this.defaultCatalog = first
  }

  /** The folders that an engine reads and writes, for its sandbox. */
  localRoots(): string[] {
    return [...this.stores.values()].map((store) => store.localRoot)
  }

  /** Ends connections and removes local copies. */
  async close(): Promise<void> {
    for (const store of this.stores.values()) await store.close()
  }

  /** A table that exists or is about to. */
  table(text: string): Table {
    return this.named(parseTableName(text, this.names))
  }

  /** @throws SluiceError TABLE_UNKNOWN, with the nearest name when there is one */
  async existing(text: string): Promise<{ table: Table; snapshot: Snapshot }> {
    const table = this.table(text)
    const snapshot = await table.log.latest()
    if (snapshot === null) throw await this.unknown(table.label)
    return { table, snapshot }
  }

  /** Every table of every catalog, in order of catalog, schema and name. */
  async all(): Promise<Table[]> {
    const tables: Table[] = []
    for (const [catalog, store] of this.stores) {
      for (const schema of (await store.listPrefixes('')).filter(isTableNamePart)) {
        const names = (await store.listPrefixes(schema)).filter(isTableNamePart)
        const found = await mapBounded(names, CONCURRENT_LOOKS, async (name) => {
          return (await store.list(`${schema}/${name}/_delta_log`, { limit: 1 })).length > 0 ? name : null
        })
        tables.push(...found.flatMap((name) => (name === null ? [] : this.named({ catalog, schema, name }))))
      }
    }
    return tables
  }

  async unknown(label: string): Promise<SluiceError> {
    const near = closest(
      label,
      (await this.all()).map((table) => table.label),
    )
    const question = near === null ? '' : ` Did you mean ${near}?`
    return new SluiceError('TABLE_UNKNOWN', `There is no table ${label}.${question}`)
  }

  private named(name: TableName): Table {
    const store = this.stores.get(name.catalog)
    if (store === undefined) throw new Error(`catalog ${name.catalog} passed the name check but is not open`)
    const label = formatTableName(name, this.defaultCatalog)
    const log = this.logs.get(label) ?? new DeltaLog(store, `${name.schema}/${name.name}`, label)
    this.logs.delete(label)
    this.logs.set(label, log)
    for (const oldest of this.logs.keys()) {
      if (this.logs.size <= KEPT_LOGS) break
      this.logs.delete(oldest)
    }
    return { label, name, store, log }
  }
}
