import type { Request, Response } from 'express'
import { SluiceError } from '../../errors.js'
import type { LogLine } from '../../scheduler/shapes.js'
import { runAttempts } from '../../scheduler/store/reads/run-page.js'
import { lineView } from '../present/log-view.js'
import { timezoneOf } from '../present/run-view.js'
import { wholeNumber } from '../query.js'
import type { Web } from '../web.js'

const GATHER_LINES = 200
const GATHER_MS = 100
const BEAT_MS = 15_000

export interface FollowedAttempt {
  runId: string
  taskId: string
  attempt: number
}

/**
 * The attempt that an address names, with the zone its DAG tells times in.
 * @throws SluiceError RUN_UNKNOWN, NOT_FOUND
 */
export async function followedAttempt(web: Web, req: Request): Promise<FollowedAttempt & { timezone: string }> {
  const [runId, taskId] = [req.params.run as string, req.params.task as string]
  const attempt = wholeNumber(req.params.attempt, 1, 1_000_000)
  const run = await web.deps.store.run(runId)
  if (run === null) throw new SluiceError('RUN_UNKNOWN', `There is no run ${runId}.`)
  if (attempt === null || (await attemptEnd(web, { runId, taskId, attempt })) === undefined)
    throw new SluiceError(
      'NOT_FOUND',
      `${taskId} of ${runId} has no attempt ${String(req.params.attempt).slice(0, 20)}.`,
    )
  return { runId, taskId, attempt, timezone: timezoneOf(await web.dagVersion(run.version)) }
}

/** Lines from `from` on; with `follow` until the attempt has ended or the reader has gone. */
export function linesOf(
  web: Web,
  attempt: FollowedAttempt,
  options: { from: number; follow: boolean; signal: AbortSignal },
): AsyncIterable<LogLine> {
  if (!options.follow) return web.deps.logs.read(attempt, { from: options.from })
  const ended = async () => (await attemptEnd(web, attempt)) !== null
  return web.deps.logs.follow(attempt, { from: options.from, ended, signal: options.signal })
}

/** When the attempt ended; null while it goes on, undefined when there is none. */
async function attemptEnd(web: Web, { runId, taskId, attempt }: FollowedAttempt): Promise<number | null | undefined> {
  const attempts = await runAttempts(web.deps.database, runId, 1_000, taskId)
  return attempts.find((row) => row.attempt === attempt)?.endedAt
}

/** Ends when the reader goes. */
export function signalOf(res: Response): AbortSignal {
  const controller = new AbortController()
  res.on('close', () => controller.abort())
  return controller.signal
}

/** Waits until the reader has taken what was written; nothing is held for one that does not read. */
export async function taken(res: Response, kept: boolean): Promise<void> {
  if (kept || res.destroyed) return
  await new Promise<void>((resolve) => {
    const go = () => {
      res.off('drain', go).off('close', go)
      resolve()
    }
    res.once('drain', go).once('close', go)
  })
}

/**
 * The log of a running attempt as server-sent events: each `lines` is HTML for the end of the list, its id the number of its
 * last line. A browser whose connection broke sends the id that it got last, and gets what follows.
 */
export async function streamLog(web: Web, req: Request, res: Response): Promise<void> {
  const { timezone, ...attempt } = await followedAttempt(web, req)
  const asked = wholeNumber(req.query.from, 1, Number.MAX_SAFE_INTEGER) ?? 1
  const got = wholeNumber(req.get('last-event-id'), 1, Number.MAX_SAFE_INTEGER - 1) ?? 0
  const from = Math.max(asked, got + 1)
  res.set({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  res.flushHeaders()
  const beat = setInterval(() => res.write(': still here\n\n'), BEAT_MS)
  let waiting: LogLine[] = []
  let timer: NodeJS.Timeout | null = null
  const flush = (): boolean => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    const last = waiting.at(-1)
    if (last === undefined || res.destroyed) return true
    const html = web.views('_log_lines', { lines: waiting.map((line) => lineView(line, timezone)) })
    waiting = []
    return res.write(`event: lines\nid: ${last.line}\ndata: ${JSON.stringify(html)}\n\n`)
  }
  try {
    for await (const line of linesOf(web, attempt, { from, follow: true, signal: signalOf(res) })) {
      waiting.push(line)
      if (waiting.length >= GATHER_LINES) await taken(res, flush())
      else timer ??= setTimeout(flush, GATHER_MS)
    }
    flush()
    if (!res.destroyed) res.end('event: over\ndata: {}\n\n')
  } finally {
    clearInterval(beat)
    if (timer !== null) clearTimeout(timer)
  }
}
