import { join } from 'node:path'
import { SluiceError } from '../../errors.js'
import { dagOfRun } from '../core/run-id.js'

/** One attempt of one task, as the store names it. */
export interface AttemptId {
  runId: string
  taskId: string
  attempt: number
}

/** Ids never hold a slash; this makes sure that nothing else leads out of the folder either. */
const PATH_PART = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/

/**
 * Where the log of an attempt is kept: `<logs>/<dag>/<run>/<task>/<attempt>.ndjson`, one `LogLine` a line, append-only.
 * @throws SluiceError NOT_FOUND for what cannot be the id of an attempt
 */
export function logPath(folder: string, { runId, taskId, attempt }: AttemptId): string {
  const parts = [dagOfRun(runId), runId, taskId]
  if (!parts.every((part) => PATH_PART.test(part)) || !Number.isSafeInteger(attempt) || attempt < 1) {
    throw new SluiceError('NOT_FOUND', 'There is no such attempt.')
  }
  return join(folder, ...parts, `${attempt}.ndjson`)
}
