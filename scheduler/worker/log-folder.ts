import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf } from '../../errors.js'
import {
  type AttemptId,
  type LogAppender,
  type LogExtent,
  type LogSource,
  type LogStore,
  logKey,
  runLogsKey,
} from './log-store.js'

/** Well within the second that a kill may cost (docs/ARCHITECTURE.md). */
const FLUSH_MS = 200
const BATCH_BYTES = 64 * 1024
const CHUNK_BYTES = 64 * 1024
const LF = 0x0a

/** The file of an attempt's log: `<folder>/<dag>/<run>/<task>/<attempt>.ndjson`. */
export function logPath(folder: string, attempt: AttemptId): string {
  return `${join(folder, logKey(attempt))}.ndjson`
}

/** Logs as files, one for each attempt, below a folder that this machine writes and whoever reads can see. */
export class FolderLogStore implements LogStore {
  /** @param folder absolute path; created with the first line */
  constructor(private readonly folder: string) {}

  async warm(): Promise<void> {}

  appender(attempt: AttemptId, after: LogExtent = { lines: 0, bytes: 0 }): LogAppender {
    return new FileAppender(logPath(this.folder, attempt), after.bytes === 0 ? 'w' : 'a')
  }

  async open(attempt: AttemptId): Promise<LogSource | null> {
    const file = await opened(logPath(this.folder, attempt), 'r')
    return file === null ? null : new FileSource(file)
  }

  async mend(attempt: AttemptId): Promise<LogExtent> {
    const file = await opened(logPath(this.folder, attempt), 'r+')
    if (file === null) return { lines: 0, bytes: 0 }
    try {
      const whole = await wholeLines(file)
      await file.truncate(whole.bytes)
      return whole
    } finally {
      await file.close()
    }
  }

  async remove(runId: string): Promise<void> {
    await rm(join(this.folder, runLogsKey(runId)), { recursive: true, force: true })
  }

  async close(): Promise<void> {}
}

class FileAppender implements LogAppender {
  readonly flushMs = FLUSH_MS
  readonly batchBytes = BATCH_BYTES
  private file: FileHandle | null = null

  constructor(
    private readonly path: string,
    private readonly flags: 'w' | 'a',
  ) {}

  ending(): void {}

  async append(text: string): Promise<void> {
    if (this.file === null) {
      await mkdir(dirname(this.path), { recursive: true })
      this.file = await open(this.path, this.flags)
    }
    await this.file.appendFile(text)
  }

  async close(): Promise<void> {
    await this.file?.close()
    this.file = null
  }
}

class FileSource implements LogSource {
  constructor(private readonly file: FileHandle) {}

  async read(start: number, end: number): Promise<Buffer> {
    const chunk = Buffer.alloc(Math.max(0, Math.min(end - start, CHUNK_BYTES)))
    const { bytesRead } = await this.file.read(chunk, 0, chunk.length, start)
    return chunk.subarray(0, bytesRead)
  }

  async size(): Promise<number> {
    return (await this.file.stat()).size
  }

  async near(): Promise<number> {
    return 0
  }

  close(): Promise<void> {
    return this.file.close()
  }
}

async function wholeLines(file: FileHandle): Promise<LogExtent> {
  const extent = { lines: 0, bytes: 0 }
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position)
    if (bytesRead === 0) return extent
    for (let at = chunk.indexOf(LF); at !== -1 && at < bytesRead; at = chunk.indexOf(LF, at + 1)) {
      extent.lines += 1
      extent.bytes = position + at + 1
    }
    position += bytesRead
  }
}

async function opened(path: string, flags: 'r' | 'r+'): Promise<FileHandle | null> {
  try {
    return await open(path, flags)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}
