import { setTimeout as delay } from 'node:timers/promises'
import { within } from '../../deadline.js'
import { messageOf, SluiceError } from '../../errors.js'
import type { Json } from '../../json.js'
import type { OperatorContext } from '../operator.js'

const DEFAULT_PORT = 6066
const REQUEST_MS = 5_000
const POLL_MS = 1_000
/** A master that restarts (with its state recovered) is back within this time. */
const SILENCE_MS = 5 * 60_000

export type DriverState = string

export interface DriverStatus {
  state: DriverState
  message: string
  /** machine that the driver was started on; null before */
  host: string | null
}

/** States in which a driver has ended; the others pass. */
const ENDED = new Set(['FINISHED', 'FAILED', 'KILLED', 'ERROR', 'NOT_FOUND'])

/** Whether a driver in this state has ended. */
export function isDriverEnd(state: DriverState): boolean {
  return ENDED.has(state)
}

/**
 * The submission server of a standalone master (REST, `spark.master.rest.enabled`): state and end of drivers that run inside
 * the cluster.
 */
export class SubmissionServer {
  /**
   * @param url `http://host:port`
   * @param pollMs pause between two looks at a driver
   * @param silenceMs how long it may answer nothing
   */
  constructor(
    readonly url: string,
    private readonly pollMs = POLL_MS,
    private readonly silenceMs = SILENCE_MS,
  ) {}

  /** The server beside `spark://host:port`, on its usual port; of several masters the first. */
  static besides(master: string): SubmissionServer {
    const host = /^spark:\/\/(\[[^\]]+\]|[^:,/]+)/.exec(master)?.[1] ?? 'localhost'
    return new SubmissionServer(`http://${host}:${DEFAULT_PORT}`)
  }

  /** @throws SluiceError UNREACHABLE when the server does not answer as one */
  async status(driver: string, signal: AbortSignal): Promise<DriverStatus> {
    const answer = await this.#request('GET', `status/${encodeURIComponent(driver)}`, signal)
    if (answer.success === false && answer.driverState === undefined) {
      return {
        state: 'NOT_FOUND',
        message: String(answer.message ?? 'the master does not know this driver'),
        host: null,
      }
    }
    const [, host = null] = /^(.+):\d+$/.exec(String(answer.workerHostPort ?? '')) ?? []
    return { state: String(answer.driverState ?? 'UNKNOWN'), message: String(answer.message ?? ''), host }
  }

  async kill(driver: string, signal: AbortSignal): Promise<void> {
    await this.#request('POST', `kill/${encodeURIComponent(driver)}`, signal)
  }

  /**
   * Waits until the driver has ended, telling each change of its state.
   * @param seen is told of each answer
   * @throws SluiceError UNREACHABLE after minutes without an answer; the signal's reason
   */
  async untilEnded(
    driver: string,
    ctx: OperatorContext,
    seen: (status: DriverStatus) => void = () => undefined,
  ): Promise<DriverStatus> {
    let known = ''
    let silentMs = 0
    for (;;) {
      try {
        const status = await this.status(driver, ctx.signal)
        silentMs = 0
        if (status.state !== known) ctx.log('info', `The driver ${driver} is ${status.state.toLowerCase()}.`)
        known = status.state
        seen(status)
        if (isDriverEnd(status.state)) return status
      } catch (error) {
        ctx.signal.throwIfAborted()
        if (silentMs === 0) ctx.log('warn', messageOf(error))
        silentMs += this.pollMs
        if (silentMs >= this.silenceMs) throw error
      }
      // An aborted wait ends for the reason of the abort, as every other step does.
      await delay(this.pollMs, undefined, { signal: ctx.signal }).catch(() => ctx.signal.throwIfAborted())
    }
  }

  async #request(method: 'GET' | 'POST', path: string, signal: AbortSignal): Promise<Record<string, Json>> {
    const url = `${this.url}/v1/submissions/${path}`
    try {
      return await within(REQUEST_MS, signal, async (bounded) => {
        const response = await fetch(url, { method, signal: bounded })
        return (await response.json()) as Record<string, Json>
      })
    } catch (error) {
      const message = `The submission server of the standalone master does not answer at ${this.url}: ${messageOf(error)}.`
      throw new SluiceError('UNREACHABLE', message, {
        cause: error,
        hint: 'Start the master with spark.master.rest.enabled=true, or name its address with `submission_url`.',
      })
    }
  }
}
