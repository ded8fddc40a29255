import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { DriverPages } from './driver-pages.js'
import { EventLog } from './event-log.js'
import { noFigures, progressOf, type SparkFigures } from './figures.js'
import { handleJson, type SparkHandle } from './handle.js'
import type { LogFacts } from './log-lines.js'
import type { Submission } from './submission.js'

const LOOK_MS = 1_000

/**
 * Looks at a running application once a second: learns its id and saves it, and shows how far it is. Progress comes from the
 * driver's pages where they answer, else from the event log. What it cannot learn never fails the task.
 */
export class ApplicationWatch {
  readonly #stop = new AbortController()
  readonly #log: EventLog | null
  readonly #pages: DriverPages | null
  #figures: SparkFigures | null = null
  #shown = ''
  #saved = ''
  #looking: Promise<void> = Promise.resolve()

  constructor(
    private readonly submission: Submission,
    private readonly handle: SparkHandle,
    private readonly facts: LogFacts,
    private readonly ctx: OperatorContext,
  ) {
    this.#log = submission.eventLog === null ? null : new EventLog(submission.eventLog)
    this.#pages = submission.uiPort === null ? null : new DriverPages(submission.uiPort, this.#stop.signal)
  }

  /** Saves the handle as it is before the application starts, then begins to look. */
  async start(): Promise<void> {
    await this.#save()
    this.#looking = this.#loop()
  }

  /** The last look, after the program has ended: the event log is then whole. */
  async end(): Promise<SparkFigures> {
    this.#stop.abort()
    await this.#looking
    try {
      await this.#log?.read()
      await this.#learn()
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
    await this.#learn()
    const found = await this.#pages?.find(
      { applicationId: this.handle.applicationId, name: this.submission.name },
      this.facts.uiUrl,
    )
    const figures = found === true ? await this.#pages?.figures() : null
    // The last figures of pages that have gone are the final ones where there is no event log.
    this.#figures = figures ?? this.#figures
    this.#show(figures ?? (this.#log?.applicationId != null ? this.#log.figures : null))
  }

  /** The id of the application becomes known soon after its start, and is saved at once. */
  async #learn(): Promise<void> {
    this.handle.applicationId ??=
      this.#log?.applicationId ?? this.facts.applicationId ?? this.#pages?.applicationId ?? null
    this.handle.submissionId ??= this.submission.deployMode === 'cluster' ? this.facts.submissionId : null
    await this.#save()
  }

  async #save(): Promise<void> {
    const json = handleJson(this.handle)
    const text = JSON.stringify(json)
    if (text === this.#saved) return
    await this.ctx.saveHandle(json)
    this.#saved = text
    const id = this.handle.submissionId ?? this.handle.applicationId
    if (id !== null) this.ctx.log('info', `The application is ${id}.`)
  }

  #show(figures: SparkFigures | null): void {
    if (figures === null) return
    const progress = progressOf(figures)
    const text = JSON.stringify(progress)
    if (text === this.#shown) return
    this.#shown = text
    this.ctx.progress(progress)
  }
}
