import type { Instant } from '../../json.js'

const DATE = /^\d{4}-\d{2}-\d{2}$/
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/

/** An ISO 8601 date (midnight UTC) or instant with its zone; null for anything else, also for a day that is not there. */
export function parseIsoInstant(text: string): Instant | null {
  if (!DATE.test(text) && !INSTANT.test(text)) return null
  const instant = Date.parse(text)
  if (Number.isNaN(instant)) return null
  const day = Number(text.slice(8, 10))
  const lastDay = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  return day <= lastDay ? instant : null
}
