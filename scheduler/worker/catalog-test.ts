import { messageOf } from '../../errors.js'
import type { ObjectStore } from '../../lakehouse/objects/object-store.js'
import { openCatalogStore } from '../../lakehouse/objects/open.js'
import { ownLakehouseConfig } from '../lakehouse-config.js'
import type { Log } from '../loop/ports.js'
import type { SlotConfig } from './protocol.js'

/**
 * Tries at the start of a worker whether the object stores of its catalogs can be written to, and safely: what is wrong
 * then stands in the log before the first task fails of it. Nothing waits for it.
 */
export class CatalogTest {
  readonly #stores: ObjectStore[] = []
  #over: Promise<void> = Promise.resolve()
  #closing = false

  constructor(
    private readonly config: SlotConfig,
    private readonly log: Log,
  ) {}

  start(): void {
    const catalogs = Object.entries(this.config.catalogs).filter(([, { location }]) => location.startsWith('s3://'))
    this.#over = Promise.all(catalogs.map(([name]) => this.#test(name))).then(() => undefined)
  }

  /** Ends what is still being asked. */
  async close(): Promise<void> {
    this.#closing = true
    for (const store of this.#stores) await store.close()
    await this.#over
  }

  async #test(name: string): Promise<void> {
    try {
      const store = openCatalogStore(ownLakehouseConfig(this.config), name)
      this.#stores.push(store)
      await store.assertWritable()
      this.log.info({ catalog: name }, 'the object store of the catalog takes conditional writes')
    } catch (error) {
      if (this.#closing) return
      this.log.error({ catalog: name, err: error }, `catalog ${name} cannot be written to: ${messageOf(error)}`)
    }
  }
}
