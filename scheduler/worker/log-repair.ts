import type { LogLevel } from '../../operators/operator.js'
import type { LogLine } from '../shapes.js'
import type { AttemptId, LogExtent, LogStore } from './log-store.js'

/**
 * Appends last lines to the log of an attempt whose slot has died: a torn line is removed, and counting goes on where the
 * slot left off.
 * @returns lines and bytes of the whole log
 */
export async function finishLog(
  store: LogStore,
  attempt: AttemptId,
  said: readonly { level: LogLevel; message: string }[],
  now: number,
): Promise<LogExtent> {
  const before = await store.mend(attempt)
  const text = said
    .map(({ level, message }, index) => {
      const line: LogLine = { line: before.lines + index + 1, at: new Date(now).toISOString(), level, message }
      return `${JSON.stringify(line)}\n`
    })
    .join('')
  const appender = store.appender(attempt, before)
  appender.ending()
  try {
    await appender.append(text, said.length)
  } finally {
    await appender.close()
  }
  return { lines: before.lines + said.length, bytes: before.bytes + Buffer.byteLength(text) }
}
