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
   * @param urls `http://host:port` of each master, of which one at a time is in charge
   * @param pollMs pause between two looks at a driver
   * @param silenceMs how long none may answer
   */
  constructor(
    readonly urls: readonly string[],
    private readonly pollMs = POLL_MS,
    private readonly silenceMs = SILENCE_MS,
  ) {}

  /** The servers beside `spark://host:port,host:port`, on their usual port. */
  static besides(master: string): SubmissionServer {
    const hosts = [...master.replace(/^spark:\/\//, '').matchAll(/(\[[^\]]+\]|[^:,/]+)(?::\d+)?(?:,|$)/g)]
    const named = hosts.length === 0 ? ['localhost'] : hosts.map(([, host = '']) => host)
    return new SubmissionServer(named.map((host) => `http://${host}:${DEFAULT_PORT}`))
  }

  /** @throws SluiceError UNREACHABLE when no master answers that is in charge */
  async status(driver: string, signal: AbortSignal): Promise<DriverStatus> {
    const answer = await this.#request('GET', `status/${encodeURIComponent(driver)}`, signal, isOutOfCharge)
    if (answer.success === false && answer.driverState === undefined) {
      return { state: 'NOT_FOUND', message: 'the master does not know this driver', host: null }
    }
    const [, host = null] = /^(.+):\d+$/.exec(String(answer.workerHostPort ?? '')) ?? []
    return { state: String(answer.driverState ?? 'UNKNOWN'), message: String(answer.message ?? ''), host }
  }

  /** @throws SluiceError UNREACHABLE when the driver may go on */
  async kill(driver: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#request('POST', `kill/${encodeURIComponent(driver)}`, signal, ({ success }) => success === false)
    } catch (error) {
      signal.throwIfAborted()
      // A master refuses to end a driver that has ended as it does while it is not in charge.
      if (!isDriverEnd((await this.status(driver, signal)).state)) throw error
    }
  }

  /**
   * Waits until the driver has ended, telling each change of its state.
   * @param seen is told of each answer, and waited for
   * @throws SluiceError UNREACHABLE after minutes without an answer; the signal's reason
   */
  async untilEnded(
    driver: string,
    ctx: OperatorContext,
    seen: (status: DriverStatus) => unknown = () => undefined,
  ): Promise<DriverStatus> {
    let known = ''
    let silentMs = 0
    for (;;) {
      try {
        const status = await this.status(driver, ctx.signal)
        silentMs = 0
        if (status.state !== known) ctx.log('info', `The driver ${driver} is ${status.state.toLowerCase()}.`)
        known = status.state
        await seen(status)
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

  /** Asks one master after the other, until one answers that `passOn` does not pass over. */
  async #request(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    passOn: (answer: Answer) => boolean = () => false,
  ): Promise<Answer> {
    let trouble: unknown
    for (const url of this.urls) {
      try {
        const answer = await within(REQUEST_MS, signal, async (bounded) => {
          const response = await fetch(`${url}/v1/submissions/${path}`, { method, signal: bounded })
          return (await response.json()) as Answer
        })
        if (!passOn(answer)) return answer
        trouble = new Error(String(answer.message ?? 'it refuses'))
      } catch (error) {
        signal.throwIfAborted()
        trouble = error
      }
    }
    const at = this.urls.join(', ')
    const message = `The submission server of the standalone master does not answer at ${at}: ${messageOf(trouble)}.`
    throw new SluiceError('UNREACHABLE', message, {
      cause: trouble,
      hint: 'Start the master with spark.master.rest.enabled=true, or name its address with `submission_url`.',
    })
  }
}

type Answer = Record<string, Json>

/**
 * A master that stands by, or gathers its drivers again after a restart, says of each driver that there is none, and why
 * (`Can only request driver status in ALIVE state`). One in charge has no message for a driver that it does not know.
 */
function isOutOfCharge({ success, driverState, message }: Answer): boolean {
  return success === false && driverState === undefined && typeof message === 'string' && message !== ''
}
