import type { Json } from '../../json.js'

/** Deeper values break the parsers of stores and browsers. */
const MAX_DEPTH = 64
const MAX_REASON = 2_000
const MAX_RENDERED_BYTES = 256 * 1024
const MAX_RENDERED_TEXT = 64 * 1024

/**
 * A value as every store can keep it: plain JSON, without NUL and half characters (PostgreSQL refuses both), no deeper
 * than a parser likes. What an attempt leaves behind must never keep its outcome from being recorded.
 */
export function storable(value: unknown, depth = 0): Json {
  if (typeof value === 'string') return storableText(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'boolean') return value
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return null
  if (depth >= MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.map((item) => storable(item, depth + 1))
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.map(([key, item]) => [storableText(key), storable(item, depth + 1)]))
}

/** True when a value nests deeper than can be kept. */
export function isTooDeep(value: Json, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth >= MAX_DEPTH || Object.values(value).some((item) => isTooDeep(item, depth + 1))
}

/** A text as every store can keep it. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\u2400').replace(/\p{Surrogate}/gu, '\ufffd')
}

/** Reasons stand in tables and mails. */
export function storableReason(text: string): string {
  const whole = storableText(text)
  return whole.length > MAX_REASON ? `${whole.slice(0, MAX_REASON)}…` : whole
}

/**
 * The rendered configuration is for reading. A text that is too long for that is cut, with a last line that says how much
 * is missing; a configuration that is too long all the same is left out.
 */
export function storableRendered(value: Json): Json {
  const bytes = Buffer.byteLength(JSON.stringify(value))
  if (bytes <= MAX_RENDERED_BYTES) return value
  const cut = shortened(value)
  const rest = Buffer.byteLength(JSON.stringify(cut))
  return rest <= MAX_RENDERED_BYTES ? cut : { left_out: `${bytes.toLocaleString('en-US')} bytes` }
}

function shortened(value: Json): Json {
  if (typeof value === 'string') {
    if (value.length <= MAX_RENDERED_TEXT) return value
    const missing = value.length - MAX_RENDERED_TEXT
    return `${storableText(value.slice(0, MAX_RENDERED_TEXT))}\n… ${missing.toLocaleString('en-US')} more characters`
  }
  if (Array.isArray(value)) return value.map(shortened)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shortened(item)]))
}
