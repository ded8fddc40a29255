import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import type { Json } from '../../../json.js'

/** Digits a JavaScript number keeps for certain. */
const SAFE_DIGITS = 15

/**
 * A value as JSON without loss: numbers that JavaScript would round become text, instants are ISO 8601 with `Z`, wall
 * times have no zone, binary is base64.
 */
export function jsonValue(value: DuckDBValue): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof DuckDBDecimalValue) return decimal(value)
  if (value instanceof DuckDBDateValue) return value.toString()
  // DuckDB prints an instant in the zone of this process; its microseconds, read as a wall time, print it in UTC.
  if (value instanceof DuckDBTimestampTZValue) return `${isoText(new DuckDBTimestampValue(value.micros))}Z`
  if (isWallTime(value)) return isoText(value)
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64')
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(jsonValue)
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([key, item]) => [key, jsonValue(item)]))
  }
  if (value instanceof DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value: item }) => [mapKey(key), jsonValue(item)]))
  }
  return String(value)
}

function decimal(value: DuckDBDecimalValue): Json {
  const text = value.toString()
  return text.replace(/[-.]/g, '').replace(/^0+/, '').length <= SAFE_DIGITS ? Number(text) : text
}

function mapKey(key: DuckDBValue): string {
  const json = jsonValue(key)
  return typeof json === 'string' ? json : JSON.stringify(json)
}

type WallTime =
  | DuckDBTimestampValue
  | DuckDBTimestampSecondsValue
  | DuckDBTimestampMillisecondsValue
  | DuckDBTimestampNanosecondsValue

function isWallTime(value: DuckDBValue): value is WallTime {
  return (
    value instanceof DuckDBTimestampValue ||
    value instanceof DuckDBTimestampSecondsValue ||
    value instanceof DuckDBTimestampMillisecondsValue ||
    value instanceof DuckDBTimestampNanosecondsValue
  )
}

function isoText(value: WallTime): string {
  return value.toString().replace(' ', 'T')
}
