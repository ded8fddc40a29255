import { setTimeout as delay } from 'node:timers/promises'
import { isSluiceError, messageOf } from '../../errors.js'
import type { EndContext } from '../operator.js'
import type { SparkTarget } from './connection.js'
import type { SparkHandle } from './handle.js'
import { type ClusterDriver, MasterPages } from './master-pages.js'

const POLL_MS = 1_000
/** How often in a row a page may answer nothing before it is given up. */
const MAX_SILENT_LOOKS = 10
/** A submission that was on its way when its program ended has arrived by then. */
const ARRIVAL_MS = 2_000
/** Clocks of a cluster differ by less. */
const CLOCK_SKEW_MS = 10 * 60_000
/** A driver that has ended like this has left nothing to follow and nothing to end. */
const WITHOUT_MEANING = new Set(['FAILED', 'KILLED', 'ERROR'])

/** What is known of the driver whose submission has not told its id. */
export interface LeftDriver {
  id: string | null
  /** why there may be one although none was found; empty when there is none for certain */
  doubt: string
}

/** Whether a driver of this submission may be inside a standalone cluster without its id being known. */
export function isUnnamed({ manager, deployMode, submissionId }: SparkHandle): boolean {
  return manager === 'standalone' && deployMode === 'cluster' && submissionId === null
}

/**
 * Finds the driver that a submission has brought into a standalone cluster, by its mark. One that the cluster has not started
 * yet shows no mark, so it is waited for while it may be the one. Call it once the submitting program has ended.
 * @throws the signal's reason
 */
export async function findDriver(
  handle: SparkHandle,
  target: Pick<SparkTarget, 'webUrl'>,
  ctx: Pick<EndContext, 'log' | 'signal'>,
  pollMs = POLL_MS,
): Promise<LeftDriver> {
  return new Search(handle, target, ctx, pollMs).run()
}

class Search {
  readonly #pages: MasterPages
  readonly #others = new Set<string>()
  readonly #silent = new Map<string, number>()
  readonly #told = new Set<string>()

  constructor(
    private readonly handle: SparkHandle,
    target: Pick<SparkTarget, 'webUrl'>,
    private readonly ctx: Pick<EndContext, 'log' | 'signal'>,
    private readonly pollMs: number,
  ) {
    this.#pages = MasterPages.of(handle.master, target.webUrl)
  }

  async run(): Promise<LeftDriver> {
    let mayArrive = true
    for (;;) {
      const { id, doubt, wait } = await this.#look()
      if (id !== null) return { id, doubt: '' }
      if (!wait && !mayArrive) return { id: null, doubt }
      await this.#pause(wait ? this.pollMs : Math.min(ARRIVAL_MS, 2 * this.pollMs))
      if (!wait) mayArrive = false
    }
  }

  async #look(): Promise<LeftDriver & { wait: boolean }> {
    const drivers = await this.#candidates()
    if (typeof drivers === 'string') return { id: null, doubt: drivers, wait: !this.#isGivenUp('master') }
    const unsure: string[] = []
    let wait = false
    for (const driver of drivers) {
      const ours = await this.#pages.isOf(driver, this.handle.marker, this.ctx.signal)
      if (ours === true) return { id: driver.id, doubt: '', wait: false }
      if (ours === false) this.#others.add(driver.id)
      else if (driver.workerUrl === null && driver.state === 'SUBMITTED') {
        this.#tell(
          `The cluster has not started ${driver.id} yet, which the earlier attempt may have submitted; waiting.`,
        )
        wait = true
      } else if (!this.#isGivenUp(driver.id)) wait = true
      else unsure.push(driver.id)
    }
    return { id: null, doubt: unsure.length === 0 ? '' : `whose ${unsure.join(', ')} is cannot be found out`, wait }
  }

  /** Those that may be ours; why not, when no master answers. */
  async #candidates(): Promise<ClusterDriver[] | string> {
    const { submittedAt, mainClass } = this.handle
    try {
      const drivers = await this.#pages.drivers(this.ctx.signal)
      this.#silent.delete('master')
      return drivers.filter(
        (driver) =>
          !this.#others.has(driver.id) &&
          !WITHOUT_MEANING.has(driver.state) &&
          !(driver.submittedAt < submittedAt - CLOCK_SKEW_MS) &&
          (mainClass === null || driver.mainClass === mainClass),
      )
    } catch (error) {
      if (!isSluiceError(error, 'UNREACHABLE')) throw error
      return messageOf(error).replace(/\.$/, '')
    }
  }

  #isGivenUp(whom: string): boolean {
    const looks = (this.#silent.get(whom) ?? 0) + 1
    this.#silent.set(whom, looks)
    return looks >= MAX_SILENT_LOOKS
  }

  #tell(text: string): void {
    if (this.#told.has(text)) return
    this.#told.add(text)
    this.ctx.log('info', text)
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.ctx
    await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}
