import type { Json, JsonObject } from '../../../json.js'
import { zoneOffset } from '../../../zone-offset.js'
import type { TrinoType } from './types.js'

/** Digits a JavaScript number keeps for certain. */
const SAFE_DIGITS = 15

/**
 * A value of a result as Sluice writes values: numbers that JavaScript would round stay text, instants are ISO 8601 with
 * `Z`, wall times have no zone, binary is base64, rows and maps are objects.
 */
export function jsonValue(value: Json, type: TrinoType): Json {
  if (value === null) return null
  const [first, second] = type.inner
  if (type.name === 'decimal') return decimal(String(value))
  if (type.name === 'timestamp') return isoText(String(value))
  if (type.name === 'timestamp with time zone') return instant(String(value))
  if (type.name === 'time') return String(value).replace(/\.?0+$/, '')
  if (type.name === 'array' && Array.isArray(value) && first !== undefined) {
    return value.map((item) => jsonValue(item, first.type))
  }
  if (type.name === 'map' && second !== undefined && typeof value === 'object' && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonValue(item, second.type)]))
  }
  if (type.name === 'row') return row(value, type)
  return value
}

/** Trino gives rows as lists, and as objects to clients that ask for it. */
function row(value: Json, type: TrinoType): Json {
  const fields: JsonObject = {}
  for (const [index, { name, type: inner }] of type.inner.entries()) {
    const key = name ?? `field${index}`
    const item = Array.isArray(value) ? value[index] : (value as JsonObject)[key]
    fields[key] = jsonValue(item ?? null, inner)
  }
  return fields
}

function decimal(text: string): Json {
  return text.replace(/[-.]/g, '').replace(/^0+/, '').length <= SAFE_DIGITS ? Number(text) : text
}

function isoText(text: string): string {
  const [whole = '', fraction = ''] = text.replace(' ', 'T').split('.')
  const digits = fraction.replace(/0+$/, '')
  return digits === '' ? whole : `${whole}.${digits}`
}

/** `2026-01-01 10:00:00.123 Europe/Paris` in UTC; the fraction of the second does not depend on the zone. */
function instant(text: string): string {
  const match = /^(\S+ [^\s.]+)(\.\d+)? (.+)$/.exec(text)
  if (match === null) return text
  const [, wall = '', fraction = '', zone = ''] = match
  if (zone === 'UTC' || zone === 'Z' || zone === '+00:00') return `${isoText(wall + fraction)}Z`
  const ms = Date.parse(`${wall.replace(' ', 'T')}Z`)
  if (Number.isNaN(ms)) return text
  const utc = new Date(ms - offsetAt(ms, zone)).toISOString().slice(0, 19)
  return `${isoText(utc + fraction)}Z`
}

/** Milliseconds east of UTC of a wall time in a zone; the earlier instant when the wall time occurs twice. */
function offsetAt(wallMs: number, zone: string): number {
  const fixed = /^([+-])(\d\d):(\d\d)$/.exec(zone)
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3])
    return (fixed[1] === '-' ? -minutes : minutes) * 60_000
  }
  const before = zoneOffset(zone, wallMs - 86_400_000)
  if (zoneOffset(zone, wallMs - before) === before) return before
  return zoneOffset(zone, wallMs - zoneOffset(zone, wallMs))
}
