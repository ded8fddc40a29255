import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { DriverPages } from './driver-pages.js'
import { EventLog } from './event-log.js'
import { noFigures, progressOf, type SparkFigures } from './figures.js'
import { handleJson, type SparkHandle } from './handle.js'
import type { LogFacts } from './log-lines.js'

const LOOK_MS = 1_000

/**
 * Looks at a running application once a second: learns its id and saves it, and shows how far it is. An id that the log tells
 * is saved at once. Progress comes from the driver's pages where they answer, else from the event log. What it cannot learn
 * never fails the task.
 */
export class ApplicationWatch {
  readonly #stop = new AbortController()
  readonly #log: EventLog | null
  /** machine that the driver runs on; null while a cluster has not said */
  #host: string | null
  readonly #pages: DriverPages | null
  #figures: SparkFigures | null = null
  #shown = ''
  #saved = ''
  #saving: Promise<void> = Promise.resolve()
  readonly #told = new Set<string>()
  #looking: Promise<void> = Promise.resolve()

  constructor(
    private readonly handle: SparkHandle,
    private readonly facts: LogFacts,
    private readonly ctx: OperatorContext,
  ) {
    this.#log = handle.eventLog === null ? null : new EventLog(handle.eventLog)
    this.#pages = handle.uiPort === null ? null : new DriverPages(handle.uiPort, this.#stop.signal)
    this.#host = handle.deployMode === 'client' ? '127.0.0.1' : null
  }

  /** Saves the handle as it is before the application starts, then begins to look. */
  async start(): Promise<void> {
    await this.#save()
    this.#looking = this.#loop()
  }

  /** What the log has told by now is saved at once. */
  async learn(): Promise<void> {
    this.handle.applicationId ??=
      this.#log?.applicationId ?? this.facts.applicationId ?? this.#pages?.applicationId ?? null
    this.handle.submissionId ??= this.handle.deployMode === 'cluster' ? this.facts.submissionId : null
    await this.#save()
  }

  /** Call it after each line of the log: what the line has told must outlive this worker. */
  heard(): void {
    const { applicationId, submissionId } = this.facts
    const isNews =
      (applicationId !== null && this.handle.applicationId === null) ||
      (submissionId !== null && this.handle.submissionId === null && this.handle.deployMode === 'cluster')
    // The next look saves what could not be saved now, and tells why when it cannot either.
    if (isNews) this.learn().catch(() => undefined)
  }

  /** A cluster tells where it has started the driver. */
  driverAt(host: string | null): void {
    this.#host ??= host
  }

  /** The last look, after the program has ended: the event log is then whole. */
  async end(): Promise<SparkFigures> {
    this.#stop.abort()
    await this.#looking
    try {
      await this.#log?.read()
      await this.learn()
    } catch (error) {
      this.ctx.log('warn', `The figures of the application are incomplete: ${messageOf(error)}`)
    } finally {
      await this.#log?.close()
    }
    return this.#log?.applicationId != null ? this.#log.figures : (this.#figures ?? noFigures())
  }

  async #loop(): Promise<void> {
    try {
      while (!this.#stop.signal.aborted) {
        await this.#look()
        await delay(LOOK_MS, undefined, { signal: this.#stop.signal })
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.ctx.log('warn', `The progress of the application cannot be followed: ${messageOf(error)}`)
    }
  }

  async #look(): Promise<void> {
    await this.#log?.read()
    await this.learn()
    const figures = await this.#figuresOfPages()
    // The last figures of pages that have gone are the final ones where there is no event log.
    this.#figures = figures ?? this.#figures
    this.#show(figures ?? (this.#log?.applicationId != null ? this.#log.figures : null))
  }

  async #figuresOfPages(): Promise<SparkFigures | null> {
    if (this.#pages === null || this.#host === null) return null
    const { applicationId, marker } = this.handle
    const at = { host: this.#host, loggedUrl: this.facts.uiUrl }
    return (await this.#pages.find({ applicationId, marker }, at)) ? this.#pages.figures() : null
  }

  /** One after the other, so that what was learnt last is what stays. */
  #save(): Promise<void> {
    const saved = this.#saving.then(() => this.#write())
    this.#saving = saved.catch(() => undefined)
    return saved
  }

  async #write(): Promise<void> {
    const json = handleJson(this.handle)
    const text = JSON.stringify(json)
    if (text === this.#saved) return
    await this.ctx.saveHandle(json)
    this.#saved = text
    const { submissionId, applicationId } = this.handle
    if (submissionId !== null && !this.#told.has(submissionId)) this.ctx.log('info', `The driver is ${submissionId}.`)
    if (applicationId !== null && !this.#told.has(applicationId)) {
      this.ctx.log('info', `The application is ${applicationId}.`)
    }
    for (const id of [submissionId, applicationId]) if (id !== null) this.#told.add(id)
  }

  #show(figures: SparkFigures | null): void {
    const { applicationId, submissionId } = this.handle
    const url = this.facts.uiUrl ?? this.#pages?.origin ?? null
    const progress = {
      ...(figures === null ? {} : progressOf(figures)),
      ...(applicationId === null ? {} : { application: applicationId }),
      ...(submissionId === null ? {} : { driver: submissionId }),
      ...(applicationId === null || url === null ? {} : { url }),
    }
    const text = JSON.stringify(progress)
    if (text === this.#shown || text === '{}') return
    this.#shown = text
    this.ctx.progress(progress)
  }
}
