import { type ErrorCode, SluiceError } from '../../../errors.js'
import type { TrinoFailure } from './protocol.js'

/** A query that Trino has ended with an error. */
export class TrinoError extends SluiceError {
  constructor(
    code: ErrorCode,
    message: string,
    readonly failure: TrinoFailure,
    /** in the author's text; null when the text was ours */
    readonly place: { line: number; column: number } | null,
    retryable: boolean,
  ) {
    super(code, message, { retryable })
    this.name = 'TrinoError'
  }
}

/** Contact with a query was lost; whether it goes on, or has committed, is not known. */
export class StatementLost extends SluiceError {
  constructor(
    readonly queryId: string,
    message: string,
    cause?: unknown,
  ) {
    super('UNREACHABLE', message, cause === undefined ? {} : { cause })
    this.name = 'StatementLost'
  }
}

/** Trino has the table in its metastore and finds no log, or one that says nothing, in the folder. */
export function isWithoutLog(error: unknown): boolean {
  if (!(error instanceof TrinoError)) return false
  const { errorName, message } = error.failure
  return errorName === 'DELTA_LAKE_INVALID_SCHEMA' && message.startsWith('Metadata not found in transaction log')
}

const CODES: Record<string, ErrorCode> = {
  TABLE_NOT_FOUND: 'TABLE_UNKNOWN',
  SCHEMA_NOT_FOUND: 'TABLE_UNKNOWN',
  CATALOG_NOT_FOUND: 'TABLE_UNKNOWN',
  MISSING_SCHEMA_NAME: 'TABLE_UNKNOWN',
  PERMISSION_DENIED: 'SQL_FORBIDDEN',
  EXCEEDED_LOCAL_MEMORY_LIMIT: 'SQL_OUT_OF_MEMORY',
  EXCEEDED_GLOBAL_MEMORY_LIMIT: 'SQL_OUT_OF_MEMORY',
  CLUSTER_OUT_OF_MEMORY: 'SQL_OUT_OF_MEMORY',
  TRANSACTION_CONFLICT: 'COMMIT_CONFLICT',
  ICEBERG_COMMIT_ERROR: 'COMMIT_CONFLICT',
  CONSTRAINT_VIOLATION: 'SCHEMA_MISMATCH',
}

/**
 * Somebody or something else has ended the query, whatever its SQL: an administrator, a limit of the cluster, or nobody asking about it
 * for too long. Trino counts most of these among the errors of the user.
 */
const ENDED_BY_OTHERS = new Set([
  'USER_CANCELED',
  'ABANDONED_QUERY',
  'ADMINISTRATIVELY_KILLED',
  'ADMINISTRATIVELY_PREEMPTED',
  'CLUSTER_OUT_OF_MEMORY',
  'EXCEEDED_TIME_LIMIT',
])

/** Whether a query that failed so may have committed all the same, and may be tried again. */
export function endedByOthers({ errorName }: TrinoFailure): boolean {
  return ENDED_BY_OTHERS.has(errorName)
}

/**
 * Says what Trino said in the terms of the person who wrote the SQL.
 * @param subject what failed, as the start of the sentence: `The SQL`
 * @param place where in the text of the person; null when the text was ours
 */
export function trinoError(
  failure: TrinoFailure,
  subject: string,
  place: { line: number; column: number } | null,
): TrinoError {
  const where = place === null ? '' : `, line ${place.line}, column ${place.column}`
  const code = CODES[failure.errorName] ?? 'SQL_FAILED'
  const verb = code === 'SQL_FORBIDDEN' ? 'may not do this' : 'failed'
  return new TrinoError(
    code,
    `${subject} ${verb}${where}: ${cleaned(failure)}`,
    failure,
    place,
    failure.errorType !== 'USER_ERROR' || endedByOthers(failure),
  )
}

/** Without the place, which is told apart, and without lists of everything the parser would have taken. */
function cleaned(failure: TrinoFailure): string {
  const text = failure.message
    .replace(/^line \d+:\d+: /, '')
    .replace(/\. Expecting: [\s\S]*$/, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim()
    .slice(0, 2_000)
  return /[.!?]$/.test(text) ? text : `${text}.`
}
