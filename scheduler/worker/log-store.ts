import { SluiceError } from '../../errors.js'
import { dagOfRun } from '../core/run-id.js'

/** One attempt of one task, as the store names it. */
export interface AttemptId {
  runId: string
  taskId: string
  attempt: number
}

/** What there is of a log, in whole lines. */
export interface LogExtent {
  lines: number
  bytes: number
}

/**
 * Where the logs of attempts are kept: files in a folder, or segments in an object store. A log is a sequence of bytes,
 * one `LogLine` as JSON a line; it only grows, and only its own attempt makes it grow. Nothing exists of a log without
 * lines.
 */
export interface LogStore {
  /** Makes ready what the first line would else wait for; what is wrong with the place shows when a log is written. */
  warm(): Promise<void>
  /**
   * @param after what the log has already; nothing, unless a predecessor was cut off. What lies there under a log that begins is of another
   *   history, which a restored store knows nothing of, and goes with the first line
   */
  appender(attempt: AttemptId, after?: LogExtent): LogAppender
  /** null when there is no log (yet) */
  open(attempt: AttemptId): Promise<LogSource | null>
  /** Removes a line that a crash has torn, once nobody writes any more; resolves with what is left. */
  mend(attempt: AttemptId): Promise<LogExtent>
  /** Removes all logs of a run; none are there is fine too. */
  remove(runId: string): Promise<void>
  close(): Promise<void>
}

export interface LogAppender {
  /** Lines should wait no longer than this before they are appended, in ms. */
  readonly flushMs: number
  /** So many bytes are worth an append of their own. */
  readonly batchBytes: number
  /** Appends whole lines; once it resolves they are durable and readable. One call at a time. */
  append(text: string, lines: number): Promise<void>
  /** Nothing more is said, so that a place which cannot be reached is not waited for without end: what follows may fail. */
  ending(): void
  close(): Promise<void>
}

/** One log while it is read, perhaps also written. */
export interface LogSource {
  /** Some bytes from `start` on, at most up to `end`; none where the log ends for now. */
  read(start: number, end: number): Promise<Buffer>
  /** bytes there are now */
  size(): Promise<number>
  /** a place at or before the begin of a line, as near as is known without reading */
  near(line: number): Promise<number>
  close(): Promise<void>
}

/** Ids never hold a slash; this makes sure that nothing else leads out of the place of the logs either. */
const PATH_PART = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/

/**
 * What the keys of all logs of a run begin with: `<dag>/<run>`.
 * @throws SluiceError NOT_FOUND for what cannot be the id of a run
 */
export function runLogsKey(runId: string): string {
  const parts = [dagOfRun(runId), runId]
  if (!parts.every((part) => PATH_PART.test(part))) throw new SluiceError('NOT_FOUND', 'There is no such run.')
  return parts.join('/')
}

/**
 * The key of an attempt's log: `<dag>/<run>/<task>/<attempt>`.
 * @throws SluiceError NOT_FOUND for what cannot be the id of an attempt
 */
export function logKey({ runId, taskId, attempt }: AttemptId): string {
  const parts = [dagOfRun(runId), runId, taskId]
  if (!parts.every((part) => PATH_PART.test(part)) || !Number.isSafeInteger(attempt) || attempt < 1) {
    throw new SluiceError('NOT_FOUND', 'There is no such attempt.')
  }
  return [...parts, attempt].join('/')
}
