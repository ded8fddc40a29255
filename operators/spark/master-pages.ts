import { messageOf, SluiceError } from '../../errors.js'
import type { Instant, Json, JsonObject } from '../../json.js'
import { SUBMISSION_PROPERTY } from './handle.js'
import { isSilence, pageText } from './page-text.js'

const DEFAULT_PORT = 8080
const MAX_STATE_BYTES = 16 * 1024 * 1024
/** Asked of a log at once. What stands above it fits in: the driver's command, with its class path and every property. */
const PAGE_BYTES = 256 * 1024
/** `==== Bytes 0-1234 of 5678 of <folder>/driver-…/stderr ====`, which stands above what was asked for */
const PAGE_HEAD = /^==== Bytes (\d+)-(\d+) of (\d+) of [^\n]*\n/

/** A driver inside a standalone cluster, as its master tells of it. */
export interface ClusterDriver {
  id: string
  /** SUBMITTED, RUNNING, FINISHED, FAILED, … */
  state: string
  mainClass: string
  /** by the master's clock */
  submittedAt: Instant
  /** pages of the worker that has been given it; null before, and when the master knows that worker no more */
  workerUrl: string | null
}

export type LogStream = 'stdout' | 'stderr'

/** A piece of a driver's log. */
export interface WorkerPage {
  text: string
  /** offset of the first byte behind it */
  end: number
  /** bytes that the log has by now */
  length: number
}

/**
 * The web UI of a standalone master (`/json/`) and of its workers. The master tells which drivers there are, but none of
 * their properties; the worker that has started one shows the command above its log, and the submission's mark in it.
 */
export class MasterPages {
  /** @param urls `http://host:port` of each master; one of them is the active one */
  constructor(readonly urls: readonly string[]) {}

  /** The pages at the address that a connection names, else those beside the master. */
  static of(master: string, webUrl: string | null): MasterPages {
    return webUrl === null ? MasterPages.besides(master) : new MasterPages([webUrl])
  }

  /** The pages beside `spark://host:port`, or beside each of several masters, on their usual port. */
  static besides(master: string): MasterPages {
    const hosts = master
      .replace(/^spark:\/\//, '')
      .split(',')
      .map((address) => address.replace(/:\d+$/, ''))
    return new MasterPages(hosts.map((host) => `http://${host}:${DEFAULT_PORT}`))
  }

  /**
   * The drivers that the active master knows: all that have not ended, and the last 200 that have
   * (`spark.deploy.retainedDrivers`).
   * @throws SluiceError UNREACHABLE when no active master answers; the signal's reason
   */
  async drivers(signal: AbortSignal): Promise<ClusterDriver[]> {
    let why = 'none of them is the active one'
    for (const url of this.urls) {
      try {
        const text = await pageText(`${url}/json/`, { maxBytes: MAX_STATE_BYTES, signal })
        if (text === null) why = `${url} refuses`
        const state = text === null ? {} : map(JSON.parse(text) as Json)
        if (state.status === 'ALIVE') return driversOf(state)
      } catch (error) {
        signal.throwIfAborted()
        if (!isSilence(error) && !(error instanceof SyntaxError)) throw error
        why = messageOf(error)
      }
    }
    const message = `The web UI of the standalone master does not answer at ${this.urls.join(', ')}: ${why}.`
    throw new SluiceError('UNREACHABLE', message, {
      hint: 'Name its address with `web_url` of the connection, and let workers of Sluice reach it.',
    })
  }

  /**
   * Whether a driver was started by the submission with this mark.
   * @returns null when its worker does not say: it does not answer, or has not yet started the driver
   * @throws the signal's reason
   */
  async isOf(driver: ClusterDriver, marker: string, signal: AbortSignal): Promise<boolean | null> {
    const page = await this.log(driver, 'stderr', 0, signal)
    const command = page === null ? undefined : /^Launch Command: .*$/m.exec(page.text)?.[0]
    return command === undefined ? null : command.includes(`-D${SUBMISSION_PROPERTY}=${marker}"`)
  }

  /**
   * A piece of what a driver has written, from a byte on. A character that its end cuts is lost: the page is text.
   * @returns null when the worker does not say
   * @throws the signal's reason
   */
  async log(
    { id, workerUrl }: Pick<ClusterDriver, 'id' | 'workerUrl'>,
    stream: LogStream,
    offset: number,
    signal: AbortSignal,
  ): Promise<WorkerPage | null> {
    if (workerUrl === null) return null
    const query = `driverId=${encodeURIComponent(id)}&logType=${stream}&offset=${offset}&byteLength=${PAGE_BYTES}`
    try {
      // as many characters may be more bytes, and the page has a line of its own
      const page = await pageText(`${workerUrl}/log?${query}`, { maxBytes: 4 * PAGE_BYTES, signal })
      const head = page === null ? null : PAGE_HEAD.exec(page)
      if (page === null || head === null) return null
      return { text: page.slice(head[0].length), end: Number(head[2]), length: Number(head[3]) }
    } catch (error) {
      signal.throwIfAborted()
      if (isSilence(error)) return null
      throw error
    }
  }
}

function driversOf(state: JsonObject): ClusterDriver[] {
  const workers = new Map(list(state.workers).map(({ id, webuiaddress }) => [String(id), String(webuiaddress ?? '')]))
  return [...list(state.activedrivers), ...list(state.completeddrivers)].map((driver) => ({
    id: String(driver.id),
    state: String(driver.state),
    mainClass: String(driver.mainclass ?? ''),
    submittedAt: Number(driver.starttime),
    workerUrl: workers.get(String(driver.worker)) || null,
  }))
}

function map(value: Json | undefined): JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {}
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.map(map) : []
}
