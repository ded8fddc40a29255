import type { LakehouseConfig } from '../../lakehouse/config.js'
import type { Tables } from '../../lakehouse/lakehouse.js'

/** What one slot process knows of tables: opened at first use, kept while it lives, so that a look reads only what is new. */
export class SlotTables {
  #opened: Promise<Tables> | null = null

  /** @param config with the secrets it needs; the same at each call */
  open(config: LakehouseConfig): Promise<Tables> {
    this.#opened ??= import('../../lakehouse/open.js').then(({ openTables }) => openTables(config))
    return this.#opened
  }
}
