import { SluiceError } from '../../errors.js'
import { NO_ALERTS } from '../../scheduler/core/alerts.js'
import type { Dag } from '../../scheduler/dag/model.js'
import type { Watches } from '../../scheduler/loop/ports.js'
import type { SeenVersion } from '../../scheduler/store/trigger-store.js'
import { dag, task } from '../scheduler/core/dags.js'
import type { Host } from './host.js'
import type { Prng } from './prng.js'
import type { VirtualTime } from './virtual-time.js'

export const WAITING = 'waiting'
export const TABLE = 'outside.sales'
export const LANDING = 'landing/*.csv'

/** A DAG that waits for another one, for a table that others write and for a folder that others fill. */
export function waitingDag(random: Prng, version: number): Dag {
  const batch = random.chance(0.3)
  const files = { connection: null, stableMs: 0, marker: null }
  return dag(WAITING, [task('t0', [], { retries: 1, retryDelayMs: 500 })], {
    version: `${WAITING}-v${version}`,
    catchup: 'all',
    maxActiveRuns: random.int(1, 4),
    triggers: [
      { kind: 'table', sources: [TABLE], mode: 'any', batch },
      { kind: 'file', sources: [LANDING], ...files, batch },
      { kind: 'dag', sources: ['dag0'], mode: 'any', batch },
    ],
    alerts: NO_ALERTS,
  })
}

/** What happens outside of Sluice while it works: commits to a table, files in a folder. */
export class Outside {
  readonly versions: SeenVersion[] = []
  readonly files: string[] = []
  readonly #time: VirtualTime
  readonly #random: Prng
  readonly #isStormy: () => boolean

  constructor(time: VirtualTime, random: Prng, isStormy: () => boolean) {
    this.#time = time
    this.#random = random
    this.#isStormy = isStormy
  }

  begin(): void {
    this.#time.schedule(this.#time.now + this.#random.int(500, 30_000), () => {
      if (!this.#isStormy()) return
      if (this.#random.chance(0.5)) this.files.push(`file-${this.files.length}`)
      else this.#commit()
      this.begin()
    })
  }

  #commit(): void {
    const before = this.versions.at(-1)?.version ?? null
    const version = before === null ? 0 : before + this.#random.int(1, 2)
    this.versions.push({ version, committedAt: this.#time.now, before, dag: null })
  }

  /** A look takes its time, and may come to nothing. */
  watches(host: Host): Watches {
    const look = async () => {
      await host.sleep(this.#random.int(1, this.#isStormy() ? 8_000 : 50))
      if (this.#isStormy() && this.#random.chance(0.05)) throw new SluiceError('STORE_FAILED', 'The bucket is away.')
    }
    return {
      versions: async (_table, { after, since }) => {
        const position = this.versions.at(-1)?.version ?? -1
        const seen = this.versions.filter((one) => (after === null ? one.committedAt > since : one.version > after))
        await look()
        return { versions: seen, position, isPart: false }
      },
      files: async (_source, known) => {
        const there = [...this.files]
        const told = new Set(await known())
        await look()
        const files = there.filter((key) => !told.has(key)).map((key) => ({ key, files: [`/landing/${key}`] }))
        return { files, gone: [], againMs: null, recorded: () => undefined }
      },
    }
  }
}
