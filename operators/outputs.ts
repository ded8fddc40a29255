import { SluiceError } from '../errors.js'
import type { JsonObject } from '../json.js'

/** How large the outputs of one attempt may be, as JSON in UTF-8. */
export const MAX_OUTPUTS_BYTES = 64 * 1024
/** The rows of a query that a task runs for each of. */
export const MAX_ROWS_BYTES = 1024 * 1024

/**
 * @param most bytes
 * @throws SluiceError OUTPUTS_INVALID when outputs are larger than that or hold what no store can keep
 */
export function checkOutputs(outputs: JsonObject, most = MAX_OUTPUTS_BYTES): JsonObject {
  const text = JSON.stringify(outputs)
  const bytes = Buffer.byteLength(text)
  if (bytes > most) throw tooLarge(bytes, most)
  // PostgreSQL's jsonb has no NUL; JSON.stringify writes one as \u0000 and a backslash before it as \\.
  if (/(?<!\\)(\\\\)*\\u0000/.test(text)) {
    throw new SluiceError('OUTPUTS_INVALID', 'The outputs hold a NUL character.', { retryable: false })
  }
  return outputs
}

/**
 * The error of outputs beyond their limit, for those who know it before they have read them. A retry would not make
 * them smaller.
 * @param bytes how many there are
 * @param most how many are allowed
 */
export function tooLarge(bytes: number, most = MAX_OUTPUTS_BYTES): SluiceError {
  const message = `The outputs have ${bytes.toLocaleString('en-US')} bytes; at most ${most.toLocaleString('en-US')} (${Math.floor(most / 1024)} kB) are kept.`
  return new SluiceError('OUTPUTS_INVALID', message, {
    hint: 'Pass large data through a table or a file, and its name as an output.',
    retryable: false,
  })
}
