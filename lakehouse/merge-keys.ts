import { SluiceError } from '../errors.js'
import type { Json, JsonObject } from '../json.js'

/** @throws SluiceError KEYS_INVALID when the result lacks one of the keys */
export function assertKeyColumns(table: string, keys: string[], columns: string[]): void {
  for (const key of keys) {
    if (columns.includes(key)) continue
    throw invalid(table, `has no key column ${key}; it has ${columns.join(', ')}`)
  }
}

/** The refusal of a row whose key is not whole. */
export function nullKey(table: string, key: JsonObject): SluiceError {
  return invalid(table, `has a NULL key: ${describe(key)}`)
}

/** The refusal of a key that would update one row several times. */
export function duplicateKey(table: string, key: JsonObject, rows: Json): SluiceError {
  return invalid(table, `holds the key ${describe(key)} ${rows} times`)
}

function describe(key: JsonObject): string {
  return Object.entries(key)
    .map(([column, value]) => `${column} = ${JSON.stringify(value)}`)
    .join(', ')
}

function invalid(table: string, sentence: string): SluiceError {
  return new SluiceError('KEYS_INVALID', `The result for ${table} ${sentence}.`, { retryable: false })
}
