/** Any JSON value; what crosses a process, a store or an API boundary is made of these. */
export type Json = null | boolean | number | string | Json[] | JsonObject
export type JsonObject = { [key: string]: Json }

/** A JSON Schema (draft 2020-12 subset that Ajv compiles). `x-` keys are Sluice's own annotations. */
export type JsonSchema = { [keyword: string]: Json }

/** Milliseconds since the Unix epoch, UTC. Every instant inside Sluice is one; text appears only at the edges. */
export type Instant = number

/** ISO 8601 with milliseconds and `Z`, the only way an instant is written in JSON. */
export function isoInstant(instant: Instant): string {
  return new Date(instant).toISOString()
}

/** isoInstant() of what may not have happened yet; null stays null. */
export function isoInstantOrNull(instant: Instant | null): string | null {
  return instant === null ? null : isoInstant(instant)
}

/** Whether a value is a JSON object, or a map of a YAML document; null and arrays are none. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
