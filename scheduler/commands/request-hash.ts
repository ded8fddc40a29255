import { createHash } from 'node:crypto'
import type { Json } from '../../json.js'

/** The same for requests that mean the same, whatever the order of their keys. */
export function hashOf(request: Json): string {
  return createHash('sha256').update(canonical(request)).digest('hex')
}

function canonical(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`).join(',')}}`
}
