import { isSluiceError, SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { LookContext } from '../operator.js'
import type { Look } from '../wait.js'

/** What the next look may find otherwise; any other failure of a query is one of its author. */
const NOT_YET: readonly string[] = ['TABLE_UNKNOWN', 'UNREACHABLE', 'OBJECT_STORE_FAILED']

/**
 * Asks the query once. It has come when the first column of its first row is true, or a number other than zero.
 * @throws SluiceError with `retryable: false` for a query that is wrong
 */
export async function lookAtQuery(sql: string, connection: string | undefined, ctx: LookContext): Promise<Look> {
  let rows: JsonObject[]
  try {
    const lakehouse = await ctx.lakehouse(connection)
    rows = (await lakehouse.query(sql, { maxRows: 1, truncate: true, signal: ctx.signal, log: () => undefined })).rows
  } catch (error) {
    if (ctx.signal.aborted || !isSluiceError(error)) throw error
    if (NOT_YET.includes(error.code)) return { met: null, seen: {}, detail: error.message }
    throw new SluiceError(error.code, error.message, { cause: error, retryable: false })
  }
  const value = Object.values(rows[0] ?? {})[0] ?? null
  if (isTrue(value)) return { met: { value } }
  const detail = rows.length === 0 ? 'the query gives no row' : `the query gives ${JSON.stringify(value).slice(0, 100)}`
  return { met: null, seen: {}, detail }
}

/** Numbers that may lose digits come as text. */
function isTrue(value: Json): boolean {
  if (typeof value === 'string') return value !== '' && value !== 'false' && Number(value) !== 0
  return value === true || (typeof value === 'number' && value !== 0)
}
