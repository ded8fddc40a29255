import type { Json, JsonObject } from '../../../json.js'

/** One answer of Trino's statement protocol, the parts that Sluice reads. */
export interface StatementPage {
  id: string
  nextUri: string | null
  infoUri: string | null
  columns: { name: string; type: string }[] | null
  data: Json[][]
  stats: StatementStats
  error: TrinoFailure | null
  updateType: string | null
  updateCount: number | null
}

export interface StatementStats {
  state: string
  totalSplits: number
  completedSplits: number
  runningSplits: number
  processedRows: number
  processedBytes: number
  physicalWrittenBytes: number
  elapsedTimeMillis: number
}

export interface TrinoFailure {
  message: string
  errorName: string
  /** USER_ERROR, INTERNAL_ERROR, INSUFFICIENT_RESOURCES or EXTERNAL */
  errorType: string
  line: number | null
  column: number | null
  /** what it came from, nearest first: names of Java classes without their packages */
  causes: string[]
}

/** A string, or a number from its first digit to its last: the digits of a fraction are no number of their own. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g
const LONG_WHOLE_NUMBER = /^-?\d{16,}$/

/**
 * JSON without loss: whole numbers that a JavaScript number cannot hold come out as text.
 * @throws SyntaxError
 */
export function parseLossless(text: string): Json {
  const quoted = text.replace(STRING_OR_NUMBER, (found) =>
    LONG_WHOLE_NUMBER.test(found) && !Number.isSafeInteger(Number(found)) ? `"${found}"` : found,
  )
  return JSON.parse(quoted) as Json
}

/**
 * One answer of Trino's statement protocol. Whole numbers that JavaScript cannot hold come as text, with every digit.
 * @throws SyntaxError when the text is not an answer of the protocol
 */
export function parsePage(text: string): StatementPage {
  const page = objectOf(parseLossless(text))
  if (page === null || typeof page.id !== 'string') throw new SyntaxError('not an answer of the statement protocol')
  const stats = objectOf(page.stats) ?? {}
  const word = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)
  const count = (name: string): number => Number(stats[name] ?? 0)
  return {
    id: page.id,
    nextUri: word(page.nextUri),
    infoUri: word(page.infoUri),
    columns: Array.isArray(page.columns) ? page.columns.map(columnOf) : null,
    data: Array.isArray(page.data) ? page.data.map((row) => (Array.isArray(row) ? row : [])) : [],
    stats: {
      state: word(stats.state) ?? 'UNKNOWN',
      totalSplits: count('totalSplits'),
      completedSplits: count('completedSplits'),
      runningSplits: count('runningSplits'),
      processedRows: count('processedRows'),
      processedBytes: count('processedBytes'),
      physicalWrittenBytes: count('physicalWrittenBytes'),
      elapsedTimeMillis: count('elapsedTimeMillis'),
    },
    error: failureOf(page.error),
    updateType: word(page.updateType),
    updateCount: page.updateCount === undefined || page.updateCount === null ? null : Number(page.updateCount),
  }
}

function columnOf(json: Json): { name: string; type: string } {
  const column = objectOf(json) ?? {}
  return { name: String(column.name), type: String(column.type) }
}

function failureOf(json: Json | undefined): TrinoFailure | null {
  const error = objectOf(json)
  if (error === null) return null
  const place = objectOf(error.errorLocation)
  return {
    message: String(error.message ?? 'unknown error'),
    errorName: String(error.errorName ?? 'UNKNOWN'),
    errorType: String(error.errorType ?? 'INTERNAL_ERROR'),
    line: typeof place?.lineNumber === 'number' ? place.lineNumber : null,
    column: typeof place?.columnNumber === 'number' ? place.columnNumber : null,
    causes: causesOf(objectOf(error.failureInfo)),
  }
}

function causesOf(failure: JsonObject | null): string[] {
  const causes: string[] = []
  for (let cause = objectOf(failure?.cause); cause !== null; cause = objectOf(cause.cause)) {
    causes.push(String(cause.type).replace(/^.*[.$]/, ''))
  }
  return causes
}

function objectOf(json: Json | undefined): JsonObject | null {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json : null
}
