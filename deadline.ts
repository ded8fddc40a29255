/** The reason of an abort because the time was over. */
export class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed'
}

/** A longer delay than this makes a timer of Node fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Does work with a signal that aborts when its time is over, or with another signal, whichever is first.
 *
 * `AbortSignal.any` with `AbortSignal.timeout` promises the same, but Node lets go of the timeout when it collects garbage:
 * the work then waits for ever (nodejs/node#57736). A timer of our own is held until the work has ended.
 *
 * @param ms how long the work may take; above 24 days is as good as 24 days
 * @param parent its reason becomes the reason of the work's signal
 * @throws what the work throws; work that throws its signal's reason gives DeadlinePassed when the time was over
 */
export async function within<Result>(
  ms: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController()
  const follow = () => controller.abort(parent?.reason)
  const timer = setTimeout(
    () => controller.abort(new DeadlinePassed(`not done within ${ms / 1_000} s`)),
    Math.min(ms, LONGEST_TIMER_MS),
  )
  if (parent?.aborted === true) follow()
  parent?.addEventListener('abort', follow, { once: true })
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    parent?.removeEventListener('abort', follow)
  }
}
