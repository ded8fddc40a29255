import { setTimeout as delay } from 'node:timers/promises'
import { isSluiceError } from '../errors.js'
import type { RunListEntry, RunShape, TaskShape } from '../scheduler/shapes.js'
import { type Client, segment } from './client.js'

/** Between two tries to hear from a Sluice that went away; it may be restarting. */
const RETRY_MS = 500
/** After this many tries in a row without an answer the error is the caller's. */
const TRIES = 20

export interface RunListener {
  start(run: RunShape): void
  task(task: TaskShape): void
  run(run: RunListEntry): void
}

/**
 * Follows a run to its end. A Sluice that restarts meanwhile is waited for: the run goes on there.
 * @returns the run as it ended
 * @throws SluiceError UNREACHABLE when it stays away
 */
export async function followRun(
  client: Client,
  runId: string,
  listener: RunListener,
  signal: AbortSignal,
): Promise<RunShape> {
  let started = false
  let failures = 0
  for (;;) {
    try {
      const run = await client.get<RunShape>(`/runs/${segment(runId)}`)
      failures = 0
      if (!started) listener.start(run)
      else for (const task of run.tasks) listener.task(task)
      if (run.ended_at !== null) return run
      // A stream that ended before its run did was cut, by a proxy or a Sluice that stops: ask again, but not at once.
      if (started) await delay(RETRY_MS, undefined, { signal })
      started = true
      await listen(client, runId, listener, signal)
    } catch (error) {
      failures++
      if (signal.aborted || !isSluiceError(error, 'UNREACHABLE') || failures >= TRIES) throw error
      await delay(RETRY_MS, undefined, { signal })
    }
  }
}

/** Hears changes until the stream ends, which it does when the run ends or Sluice stops. */
async function listen(client: Client, runId: string, listener: RunListener, signal: AbortSignal): Promise<void> {
  let event = ''
  for await (const line of client.lines(`/runs/${segment(runId)}/events`, signal)) {
    if (line.startsWith('event:')) event = line.slice(6).trim()
    if (!line.startsWith('data:')) continue
    const data: unknown = JSON.parse(line.slice(5))
    if (event === 'task') listener.task(data as TaskShape)
    if (event === 'run') listener.run(data as RunListEntry)
  }
}
