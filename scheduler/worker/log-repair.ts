import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { LogLevel } from '../../operators/operator.js'
import type { LogLine } from '../shapes.js'
import { type AttemptId, logPath } from './log-folder.js'

const LF = 0x0a
const CHUNK_BYTES = 64 * 1024

/**
 * Appends last lines to the log of an attempt whose slot has died: a torn line is removed, and counting goes on where the
 * slot left off.
 * @returns lines and bytes of the whole log
 */
export async function finishLog(
  folder: string,
  attempt: AttemptId,
  said: readonly { level: LogLevel; message: string }[],
  now: number,
): Promise<{ lines: number; bytes: number }> {
  const path = logPath(folder, attempt)
  await mkdir(dirname(path), { recursive: true })
  const file = await open(path, 'a+')
  try {
    let lines = 0
    let whole = 0
    const chunk = Buffer.alloc(CHUNK_BYTES)
    for (let position = 0; ; ) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, position)
      if (bytesRead === 0) break
      for (let at = chunk.indexOf(LF); at !== -1 && at < bytesRead; at = chunk.indexOf(LF, at + 1)) {
        lines += 1
        whole = position + at + 1
      }
      position += bytesRead
    }
    await file.truncate(whole)
    const text = said.map(({ level, message }) => {
      lines += 1
      const line: LogLine = { line: lines, at: new Date(now).toISOString(), level, message }
      return `${JSON.stringify(line)}\n`
    })
    await file.appendFile(text.join(''))
    return { lines, bytes: whole + Buffer.byteLength(text.join('')) }
  } finally {
    await file.close()
  }
}
