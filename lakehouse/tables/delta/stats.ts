import { isObject, type Json, type JsonObject } from '../../../json.js'
import { decimalOf } from '../schema.js'
import { type ColumnStatistics, columnPath } from '../table.js'
import type { DeltaField, DeltaType } from './schema.js'

/** Longest text kept of a minimum or maximum, in code points, as other Delta writers do. */
const TEXT_LENGTH = 32
const LAST_CODE_POINT = '\u{10ffff}'

/**
 * The `stats` of an add action. Minimum and maximum are bounds: they may be wider than the truth, never narrower, so
 * what cannot be written exactly is rounded outwards or left out.
 * @param columns by path: `amount`, or `address.city` parts joined by a NUL for fields of structs
 */
export function formatStats(
  rows: number,
  fields: DeltaField[],
  columns: ReadonlyMap<string, ColumnStatistics>,
): string {
  const min = boundsOf(fields, [], (path, type) => minimum(type, columns.get(columnPath(path))))
  const max = boundsOf(fields, [], (path, type) => maximum(type, columns.get(columnPath(path))))
  const nulls = boundsOf(fields, [], (path) => {
    const column = columns.get(columnPath(path))
    return column === undefined ? null : String(column.nullCount)
  })
  return `{"numRecords":${rows},"minValues":${min ?? '{}'},"maxValues":${max ?? '{}'},"nullCount":${nulls ?? '{}'}}`
}

/** Rows of a file, or null when its writer did not count them. */
export function rowsOf(stats: string | undefined): number | null {
  const numRecords = parseStats(stats).numRecords
  return typeof numRecords === 'number' ? numRecords : null
}

/** Null count of a top-level column, or null when unknown. */
export function nullsOf(stats: string | undefined, column: string): number | null {
  const { nullCount } = parseStats(stats)
  const count = isObject(nullCount) ? nullCount[column] : null
  return typeof count === 'number' ? count : null
}

/** Bounds of a top-level column as written, null where there are none. */
export function boundsIn(stats: string | undefined, column: string): { min: Json; max: Json } {
  const { minValues, maxValues } = parseStats(stats)
  return {
    min: isObject(minValues) ? (minValues[column] ?? null) : null,
    max: isObject(maxValues) ? (maxValues[column] ?? null) : null,
  }
}

function parseStats(stats: string | undefined): JsonObject {
  if (stats === undefined) return {}
  try {
    const parsed: Json = JSON.parse(stats)
    return isObject(parsed) ? parsed : {}
  } catch {
    // Statistics are a hint: a writer that wrote them badly costs us speed, not rows.
    return {}
  }
}

/** A JSON object over the fields that have a bound, as text: its numbers keep all their digits. */
function boundsOf(
  fields: DeltaField[],
  above: string[],
  bound: (path: string[], type: string) => string | null,
): string | null {
  const members: string[] = []
  for (const field of fields) {
    const path = [...above, field.name]
    const value = boundOf(field.type, path, bound)
    if (value !== null) members.push(`${JSON.stringify(field.name)}:${value}`)
  }
  return members.length === 0 ? null : `{${members.join(',')}}`
}

function boundOf(type: DeltaType, path: string[], bound: (path: string[], type: string) => string | null) {
  if (typeof type === 'string') return bound(path, type)
  return type.type === 'struct' ? boundsOf(type.fields, path, bound) : null
}

function minimum(type: string, column: ColumnStatistics | undefined): string | null {
  if (column === undefined || column.min === null) return null
  if (type === 'string') return JSON.stringify(truncated(column.min))
  return exactBound(type, column.min, column.hasNan, Math.floor)
}

function maximum(type: string, column: ColumnStatistics | undefined): string | null {
  if (column === undefined || column.max === null) return null
  if (type === 'string') return truncatedMaximum(column.max)
  return exactBound(type, column.max, column.hasNan, Math.ceil)
}

function exactBound(type: string, text: string, hasNan: boolean, round: (n: number) => number): string | null {
  if (type === 'long' || type === 'integer' || type === 'short' || type === 'byte') return text
  if (decimalOf(type) !== null) return text
  // NaN is the greatest value of all, and JSON has neither it nor infinity.
  if (type === 'double' || type === 'float') return hasNan ? null : finite(text)
  if (type === 'date') return /^\d{4}-\d\d-\d\d$/.test(text) ? JSON.stringify(text) : null
  if (type === 'timestamp' || type === 'timestamp_ntz') return instantBound(type, text, round)
  return null
}

function finite(text: string): string | null {
  const value = Number(text)
  return Number.isFinite(value) ? JSON.stringify(value) : null
}

const TIMESTAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/

/** Readers expect milliseconds; microseconds are rounded outwards. */
function instantBound(type: string, text: string, round: (n: number) => number): string | null {
  const match = TIMESTAMP.exec(text)
  if (match === null) return null
  const [, date, time, fraction = ''] = match
  const wholeSecond = Date.parse(`${date}T${time}Z`)
  if (Number.isNaN(wholeSecond)) return null
  const instant = new Date(wholeSecond + round(Number(fraction.padEnd(6, '0')) / 1000)).toISOString()
  if (!/^\d{4}-/.test(instant)) return null
  return JSON.stringify(type === 'timestamp' ? instant : instant.slice(0, -1))
}

function truncated(text: string): string {
  return [...text].slice(0, TEXT_LENGTH).join('')
}

/** A truncated maximum must still be no less than the whole text: the last code point there is goes behind it. */
function truncatedMaximum(text: string): string | null {
  const points = [...text]
  if (points.length <= TEXT_LENGTH) return JSON.stringify(text)
  if (points[TEXT_LENGTH] === LAST_CODE_POINT) return null
  return JSON.stringify(`${points.slice(0, TEXT_LENGTH).join('')}${LAST_CODE_POINT}`)
}
