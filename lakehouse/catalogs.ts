import { SluiceError } from '../errors.js'
import type { LakehouseConfig } from './config.js'
import { closest, formatTableName, isTableNamePart, parseTableName, type TableName } from './names.js'
import { openTableCatalog } from './tables/open.js'
import type { OpenTable, TableCatalog, TableSnapshot } from './tables/table.js'

export type Table = OpenTable

/** Tables kept with their snapshots; the least recently used goes first. */
const KEPT_TABLES = 256

/** The catalogs of `sluice.yaml`: tables by name. */
export class Catalogs {
  readonly names: string[]
  readonly defaultCatalog: string
  private readonly opened = new Map<string, Table>()

  private constructor(private readonly catalogs: ReadonlyMap<string, TableCatalog>) {
    this.names = [...catalogs.keys()]
    const [first] = this.names
    if (first === undefined) throw new SluiceError('CONFIG_INVALID', 'catalogs: at least one catalog is needed.')
    this.defaultCatalog = first
  }

  /** @throws SluiceError CONFIG_INVALID when a catalog is of a form this Sluice cannot open */
  static async open(config: LakehouseConfig): Promise<Catalogs> {
    const catalogs = new Map<string, TableCatalog>()
    for (const name of Object.keys(config.catalogs)) {
      if (!isTableNamePart(name)) {
        throw new SluiceError('CONFIG_INVALID', `catalogs: "${name}" is not a name; use lower case, digits and _.`)
      }
      catalogs.set(name, await openTableCatalog(config, name))
    }
    return new Catalogs(catalogs)
  }

  /** The folders that an engine reads and writes, for its sandbox. */
  localRoots(): string[] {
    return [...this.catalogs.values()].map(({ store }) => store.localRoot)
  }

  /** Ends connections and removes local copies. */
  async close(): Promise<void> {
    for (const catalog of this.catalogs.values()) await catalog.close()
  }

  /** A table that exists or is about to. */
  table(text: string): Table {
    return this.named(parseTableName(text, this.names))
  }

  /** @throws SluiceError TABLE_UNKNOWN, with the nearest name when there is one */
  async existing(text: string): Promise<{ table: Table; snapshot: TableSnapshot }> {
    const table = this.table(text)
    const snapshot = await table.latest()
    if (snapshot === null) throw await this.unknown(table.label)
    return { table, snapshot }
  }

  /** Every table of every catalog, in order of catalog, schema and name. */
  async all(): Promise<Table[]> {
    const tables: Table[] = []
    for (const [name, catalog] of this.catalogs) {
      for (const found of await catalog.list()) tables.push(this.named({ catalog: name, ...found }))
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
    const catalog = this.catalogs.get(name.catalog)
    if (catalog === undefined) throw new Error(`catalog ${name.catalog} passed the name check but is not open`)
    const label = formatTableName(name, this.defaultCatalog)
    const table = this.opened.get(label) ?? catalog.open(label, name)
    this.opened.delete(label)
    this.opened.set(label, table)
    for (const oldest of this.opened.keys()) {
      if (this.opened.size <= KEPT_TABLES) break
      this.opened.delete(oldest)
    }
    return table
  }
}
