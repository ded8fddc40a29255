import { isTableNamePart, type TableName } from '../../names.js'
import { mapBounded } from '../../objects/concurrency.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { TableCatalog } from '../table.js'
import { DeltaTable } from './delta-table.js'

/** Tables looked for at once, which counts where each look is a request. */
const CONCURRENT_LOOKS = 16

/** Delta tables by path: `schema/table` below the catalog's location. */
export class DeltaCatalog implements TableCatalog {
  constructor(readonly store: ObjectStore) {}

  open(label: string, name: TableName): DeltaTable {
    return new DeltaTable(label, name, this.store)
  }

  async list(): Promise<{ schema: string; name: string }[]> {
    const tables: { schema: string; name: string }[] = []
    for (const schema of (await this.store.listPrefixes('')).filter(isTableNamePart)) {
      const names = (await this.store.listPrefixes(schema)).filter(isTableNamePart)
      const found = await mapBounded(names, CONCURRENT_LOOKS, async (name) => {
        return (await this.store.list(`${schema}/${name}/_delta_log`, { limit: 1 })).length > 0 ? name : null
      })
      tables.push(...found.flatMap((name) => (name === null ? [] : { schema, name })))
    }
    return tables
  }

  async close(): Promise<void> {
    await this.store.close()
  }
}
