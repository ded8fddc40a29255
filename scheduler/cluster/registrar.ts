import type { Clock } from '../clock.js'
import type { DagFolder, FolderReading } from '../dag/load-folder.js'
import { type FolderWatch, watchDags } from '../dag/watch.js'
import type { Log } from '../loop/ports.js'
import { AdvisoryLock } from '../store/advisory-lock.js'

/** How soon another scheduler takes over from a registrar that has gone. */
const TRY_MS = 2_000

/**
 * Of several schedulers one registers what its DAGs folder and its `pools` say, so that two checkouts of which one is older do
 * not take turns with each other's versions. The others stand by; when the registrar goes, the next one brings its own.
 */
export class Registrar {
  readonly #pools: () => Promise<void>
  readonly #folder: () => DagFolder
  readonly #register: (reading: FolderReading) => Promise<void>
  readonly #clock: Clock
  readonly #log: Log
  readonly #lock: AdvisoryLock
  #watch: FolderWatch | null = null
  #forget: () => void = () => undefined
  #trying: Promise<void> = Promise.resolve()
  #closed = false

  /** @param options.pools writes them; before the first reading, whose tasks need places */
  constructor(options: {
    storeUrl: string
    pools: () => Promise<void>
    folder: () => DagFolder
    register: (reading: FolderReading) => Promise<void>
    clock: Clock
    log: Log
  }) {
    this.#pools = options.pools
    this.#folder = options.folder
    this.#register = options.register
    this.#clock = options.clock
    this.#log = options.log
    this.#lock = new AdvisoryLock(options.storeUrl, 'registrar', 'exclusive', () => void this.#standDown())
  }

  /** Resolves once it is known whether this one registers, and if so once the first reading is registered. */
  async start(): Promise<void> {
    this.#trying = this.#try()
    await this.#trying
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#forget()
    await this.#trying
    await this.#standDown()
    await this.#lock.release()
  }

  async #try(): Promise<void> {
    try {
      if (await this.#lock.tryAcquire()) await this.#takeUp()
    } catch (error) {
      this.#log.warn({ err: error }, 'asking to register DAGs failed; trying again')
    }
    if (this.#closed) return
    this.#forget = this.#clock.at(this.#clock.now() + TRY_MS, () => {
      this.#trying = this.#try()
    })
  }

  async #takeUp(): Promise<void> {
    if (this.#watch !== null || this.#closed) return
    await this.#pools()
    // the next try takes up what this one could not
    if (this.#closed || !this.#lock.held) return
    this.#log.info({}, 'this scheduler registers the DAGs folder and its pools')
    this.#watch = watchDags({
      folder: this.#folder(),
      onReading: async (reading) => {
        // a reading that was under way when the lock went must not be written
        if (this.#lock.held) await this.#register(reading)
      },
      onError: (error) => this.#log.error({ err: error }, 'the DAGs folder could not be read; trying again'),
    })
    await this.#watch.refresh()
  }

  async #standDown(): Promise<void> {
    const watch = this.#watch
    this.#watch = null
    await watch?.close()
  }
}
