import { setTimeout as delay } from 'node:timers/promises'
import { isSluiceError } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { LogLines } from '../process/log-lines.js'
import type { SparkTarget } from './connection.js'
import { SparkFailure } from './failure.js'
import type { SparkHandle } from './handle.js'
import { type LogFacts, SparkLogLines } from './log-lines.js'
import { type LogStream, MasterPages, type WorkerPage } from './master-pages.js'

/** Pages read of one stream in one look: 16 MB of text. */
const PAGES_A_LOOK = 64
/** And after the driver's end, when nothing more comes. */
const PAGES_AT_END = 1_024
/** After so many looks in a row without an answer only each thirtieth look asks: an answer that never comes takes its time. */
const MAX_SILENT_LOOKS = 10
const SELDOM = 30
const LAST_LOOKS = 10
/** The worker of the cluster may still be writing what the driver said last when it tells of the driver's end. */
const LAST_PAUSE_MS = 250
/** What stands above the log: the command with all properties, and a line below it. */
const PREFACE = /^(?:Launch Command: |={20,}$)/

interface Followed {
  offset: number
  lines: LogLines
}

/**
 * The log of a driver inside a standalone cluster, as the pages of the worker that runs it show it. What it says goes into the
 * log of the attempt and is listened to for the reason of a failure, as if the driver ran here.
 */
export class DriverLog {
  readonly failure = new SparkFailure()
  readonly #lines = new SparkLogLines()
  readonly #pages: MasterPages
  readonly #streams: Record<LogStream, Followed>
  /** the worker's own pages; null until the master has told */
  #workerUrl: string | null = null
  #silentLooks = 0

  /** @param facts what the log tells of the application is added to them */
  constructor(
    private readonly driver: string,
    { master }: Pick<SparkHandle, 'master'>,
    { webUrl }: Pick<SparkTarget, 'webUrl'>,
    private readonly facts: LogFacts,
    private readonly ctx: Pick<OperatorContext, 'log' | 'logDrained' | 'signal'>,
  ) {
    this.#pages = MasterPages.of(master, webUrl)
    this.#streams = { stdout: this.#followed('stdout'), stderr: this.#followed('stderr') }
  }

  /**
   * Reads on while the driver runs. Who does not answer is asked again at the next look, and seldom after ten in vain.
   * @throws the signal's reason
   */
  async look(): Promise<void> {
    const asks = this.#silentLooks < MAX_SILENT_LOOKS || this.#silentLooks % SELDOM === 0
    const isSilent = !asks || (await this.#read(PAGES_A_LOOK)) === null
    this.#silentLooks = isSilent ? this.#silentLooks + 1 : 0
  }

  /**
   * Reads the rest, once the driver has ended.
   * @returns where its log lies, when not all of it could be had
   * @throws the signal's reason
   */
  async end(): Promise<string | null> {
    let isWhole = false
    for (let look = 0; look < LAST_LOOKS && !isWhole; look += 1) {
      if (look > 0) await this.#pause()
      const read = await this.#read(PAGES_AT_END)
      isWhole = read === 0 && look > 0
    }
    for (const { lines } of Object.values(this.#streams)) lines.end()
    return isWhole ? null : this.#place()
  }

  #place(): string {
    if (this.#workerUrl === null) {
      return `The log of ${this.driver} lies on the worker of the cluster that ran it, which the web UI of the master names; give its address with \`web_url\` of the connection.`
    }
    const query = `driverId=${encodeURIComponent(this.driver)}&logType=stderr`
    return `The log of ${this.driver} lies on the worker of the cluster that ran it: ${this.#workerUrl}/logPage/?${query}`
  }

  /** @returns bytes read; null when somebody does not answer */
  async #read(pages: number): Promise<number | null> {
    this.#workerUrl ??= await this.#findWorker()
    if (this.#workerUrl === null) return null
    let bytes = 0
    for (const stream of ['stdout', 'stderr'] as const) {
      const followed = this.#streams[stream]
      for (let page = 0; page < pages; page += 1) {
        const read: WorkerPage | null = await this.#pages.log(
          { id: this.driver, workerUrl: this.#workerUrl },
          stream,
          followed.offset,
          this.ctx.signal,
        )
        if (read === null) return null
        followed.lines.push(Buffer.from(read.text))
        bytes += read.end - followed.offset
        followed.offset = read.end
        await this.ctx.logDrained()
        if (read.end >= read.length) break
      }
    }
    return bytes
  }

  async #findWorker(): Promise<string | null> {
    try {
      const drivers = await this.#pages.drivers(this.ctx.signal)
      return drivers.find(({ id }) => id === this.driver)?.workerUrl ?? null
    } catch (error) {
      if (isSluiceError(error, 'UNREACHABLE')) return null
      throw error
    }
  }

  #followed(stream: LogStream): Followed {
    const lines = new LogLines((line) => {
      if (stream === 'stderr' && PREFACE.test(line)) return
      this.failure.line(line, stream)
      const level = this.#lines[stream](line)
      this.facts.applicationId ??= this.#lines.facts.applicationId
      if (level !== null) this.ctx.log(level, line)
    })
    return { offset: 0, lines }
  }

  async #pause(): Promise<void> {
    const { signal } = this.ctx
    await delay(LAST_PAUSE_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}
