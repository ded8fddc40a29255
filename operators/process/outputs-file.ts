import { lstatSync, readFileSync } from 'node:fs'
import { messageOf, SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import { parseJson } from '../json-text.js'
import { checkOutputs, MAX_OUTPUTS_BYTES, tooLarge } from '../outputs.js'

/** Name of the variable that tells a program where to write its outputs. */
export const OUTPUTS_VARIABLE = 'SLUICE_OUTPUTS'

/**
 * Reads the outputs a program wrote. No file or an empty one means no outputs.
 * @throws SluiceError OUTPUTS_INVALID unless it is one JSON object of at most `MAX_OUTPUTS_BYTES`
 */
export function readOutputs(path: string): JsonObject {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return {}
  // A program may leave anything there; reading a FIFO, for one, would never end.
  if (!stat.isFile()) throw invalid('is not a plain file')
  if (stat.size > MAX_OUTPUTS_BYTES) throw tooLarge(stat.size)
  const text = readFileSync(path, 'utf8')
  return text.trim() === '' ? {} : checkOutputs(parseObject(text))
}

function parseObject(text: string): JsonObject {
  let value: Json
  try {
    value = parseJson(text)
  } catch (error) {
    throw invalid(`is not JSON: ${messageOf(error)}`, error)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`
    throw invalid(`holds ${found} instead of a JSON object such as {"rows": 5}`)
  }
  return value
}

function invalid(what: string, cause?: unknown): SluiceError {
  return new SluiceError('OUTPUTS_INVALID', `The outputs file ($${OUTPUTS_VARIABLE}) ${what}.`, {
    cause,
    retryable: false,
  })
}
