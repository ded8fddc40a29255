import type { Json } from '../../../json.js'
import { type ColumnType, decimalOf } from '../schema.js'
import type { ColumnStatistics } from '../table.js'

/** A value as Avro decodes it. */
export type AvroValue = boolean | number | bigint | string | Uint8Array | null

const DAY_MS = 86_400_000
const DAY_MICROS = 86_400_000_000n
/** Days after which the calendar is the same again, and the years they make. */
const CYCLE = { days: 146_097, years: 400 }
const TIMESTAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/
const TIME = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/
/** Longest text kept of a bound, in code points, as other Iceberg writers do. */
const TEXT_LENGTH = 16
const LAST_CODE_POINT = '\u{10ffff}'

/** A value from the engine's text; undefined when the text is none of the type (years beyond 9999, infinity). */
export function valueFrom(text: string, type: ColumnType): Exclude<AvroValue, null> | undefined {
  if (typeof type !== 'string') return undefined
  const decimal = decimalOf(type)
  if (decimal !== null) return decimalBytes(unscaled(text, decimal.scale))
  switch (type) {
    case 'boolean':
      return text === 'true' || text === '1'
    case 'integer':
      return Number(text)
    case 'long':
      return BigInt(text)
    case 'float':
    case 'double':
      return Number(text)
    case 'string':
      return text
    case 'date':
      return daysOf(text)
    case 'time':
      return timeOf(text)
    case 'timestamp':
    case 'timestamp_ntz':
      return microsOf(text)
    case 'uuid':
      return Buffer.from(text.replaceAll('-', ''), 'hex')
    default:
      return undefined
  }
}

/**
 * A value as the engine reads it from text, the same for the same value; the way back from `valueFrom`. Years beyond 9999
 * and before 1 are written as in ISO 8601, without its plus sign.
 */
export function textOf(value: AvroValue | undefined, type: ColumnType): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Uint8Array) return textOfBytes(Buffer.from(value), type)
  if (typeof value === 'bigint') return textOfLong(value, type)
  if (type === 'date' && typeof value === 'number') return dateText(value)
  return Object.is(value, -0) ? '-0' : String(value)
}

function textOfBytes(bytes: Buffer, type: ColumnType): string {
  const hex = bytes.toString('hex')
  const decimal = decimalOf(type)
  // a type that was widened since has its old values in fewer bytes: what counts is the number
  if (decimal !== null) return decimalText(BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex || '0'}`)), decimal.scale)
  if (type === 'uuid') return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return hex.replace(/../g, '\\x$&')
}

function textOfLong(value: bigint, type: ColumnType): string {
  if (type === 'time') return timeText(value)
  if (type !== 'timestamp' && type !== 'timestamp_ntz') return String(value)
  const ofDay = ((value % DAY_MICROS) + DAY_MICROS) % DAY_MICROS
  const day = dateText(Number((value - ofDay) / DAY_MICROS))
  return `${day} ${timeText(ofDay)}${type === 'timestamp' ? '+00' : ''}`
}

/** Bounds as Iceberg serializes single values; none where they would not be certain. */
export function boundsOf(type: ColumnType, column: ColumnStatistics): { lower: Buffer | null; upper: Buffer | null } {
  const { min, max, hasNan } = column
  if (type === 'string') {
    return { lower: min === null ? null : Buffer.from(truncated(min)), upper: max === null ? null : upperText(max) }
  }
  if ((type === 'float' || type === 'double') && hasNan) return { lower: null, upper: null }
  return { lower: serialized(min, type), upper: serialized(max, type) }
}

/** A bound for comparing in JavaScript, null for types whose bounds Sluice does not use. */
export function boundIn(bytes: Uint8Array | undefined, type: ColumnType): Json {
  if (bytes === undefined) return null
  const buffer = Buffer.from(bytes)
  if (type === 'integer') return buffer.length === 4 ? buffer.readInt32LE() : null
  if (type === 'date') return buffer.length === 4 ? textOf(buffer.readInt32LE(), type) : null
  if (type !== 'long') return null
  // a file that was written while the column was an int
  if (buffer.length === 4) return buffer.readInt32LE()
  const value = buffer.readBigInt64LE()
  return Number.isSafeInteger(Number(value)) ? Number(value) : null
}

function serialized(text: string | null, type: ColumnType): Buffer | null {
  const value = text === null ? undefined : valueFrom(text, type)
  return value === undefined ? null : serializedValue(value, type)
}

/** By the specification, "Binary single-value serialization"; null for what is no bound (infinity). */
export function serializedValue(value: Exclude<AvroValue, null>, type: ColumnType): Buffer | null {
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (typeof value === 'string') return Buffer.from(value)
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0])
  if (typeof value === 'bigint') {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  }
  if (!Number.isFinite(value)) return null
  const bytes = Buffer.alloc(type === 'double' ? 8 : 4)
  if (type === 'double') bytes.writeDoubleLE(value)
  else if (type === 'float') bytes.writeFloatLE(value)
  else bytes.writeInt32LE(value)
  return bytes
}

function daysOf(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return undefined
  return Date.parse(`${text}T00:00:00Z`) / DAY_MS
}

/** Dates of Iceberg go millions of years beyond those of JavaScript. */
function dateText(days: number): string {
  const cycles = Math.floor(days / CYCLE.days)
  const [year = '', month, day] = new Date((days - cycles * CYCLE.days) * DAY_MS).toISOString().slice(0, 10).split('-')
  const number = Number(year) + cycles * CYCLE.years
  return `${number < 0 ? '-' : ''}${String(Math.abs(number)).padStart(4, '0')}-${month}-${day}`
}

function timeText(micros: bigint): string {
  const [seconds, fraction] = [Number(micros / 1_000_000n), micros % 1_000_000n]
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `${parts.map((part) => String(part).padStart(2, '0')).join(':')}.${String(fraction).padStart(6, '0')}`
}

function decimalText(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  const point = digits.length - scale
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`
  return value < 0n ? `-${text}` : text
}

function timeOf(text: string): bigint | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  const seconds = Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3])
  return BigInt(seconds) * 1_000_000n + BigInt((match[4] ?? '').padEnd(6, '0'))
}

function microsOf(text: string): bigint | undefined {
  const match = TIMESTAMP.exec(text)
  if (match === null) return undefined
  return BigInt(Date.parse(`${match[1]}T${match[2]}Z`)) * 1000n + BigInt((match[3] ?? '').padEnd(6, '0'))
}

function unscaled(text: string, scale: number): bigint {
  const [whole = '0', fraction = ''] = text.split('.')
  return BigInt(`${whole}${fraction.padEnd(scale, '0')}`)
}

/** Two's complement, big-endian, as few bytes as hold it. */
function decimalBytes(value: bigint): Buffer {
  let length = 1
  while (BigInt.asIntN(length * 8, value) !== value) length++
  const hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0')
  return Buffer.from(hex, 'hex')
}

function truncated(text: string): string {
  return [...text].slice(0, TEXT_LENGTH).join('')
}

/** A truncated bound must still be no less than the whole text: the last code point there is goes behind it. */
function upperText(text: string): Buffer | null {
  const points = [...text]
  if (points.length <= TEXT_LENGTH) return Buffer.from(text)
  if (points[TEXT_LENGTH] === LAST_CODE_POINT) return null
  return Buffer.from(`${points.slice(0, TEXT_LENGTH).join('')}${LAST_CODE_POINT}`)
}
