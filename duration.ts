const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const PART = /(\d+)(ms|s|m|h|d)/g

/** A duration as text: one or more whole numbers with a unit, e.g. `500ms`, `30s`, `20m`, `1h30m`, `7d`. */
export const DURATION_PATTERN = '^(\\d{1,9}(ms|s|m|h|d))+$'
const DURATION = new RegExp(DURATION_PATTERN)

/** The longest duration Sluice takes: a hundred years. Beyond it arithmetic on instants leaves the range of dates. */
const LONGEST_MS = 100 * 365 * 86_400_000

/**
 * Reads a duration such as `30s`, `1h30m` or `7d`.
 * @returns milliseconds; null when the text is no duration, names a unit twice or out of order, or is over a hundred years
 */
export function parseDuration(text: string): number | null {
  if (!DURATION.test(text)) return null
  let total = 0
  let lastUnit = Number.POSITIVE_INFINITY
  for (const [, count, unit] of text.matchAll(PART)) {
    const unitMs = UNITS[unit ?? ''] ?? Number.POSITIVE_INFINITY
    if (unitMs >= lastUnit) return null
    lastUnit = unitMs
    total += Number(count) * unitMs
  }
  return total <= LONGEST_MS ? total : null
}

/** The shortest text that `parseDuration` reads back as `ms`, e.g. 5400000 -> `1h30m`. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms)
  const parts: string[] = []
  for (const [unit, unitMs] of Object.entries(UNITS).reverse()) {
    const count = Math.floor(rest / unitMs)
    if (count > 0) parts.push(`${count}${unit}`)
    rest -= count * unitMs
  }
  return parts.length === 0 ? '0s' : parts.join('')
}
