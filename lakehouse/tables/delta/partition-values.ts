import type { DeltaType } from './schema.js'

const TIMESTAMP = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/

/**
 * A partition value as the protocol writes it, from the SQL engine's text. An instant is written with `Z`, because the
 * other form depends on the reader's time zone.
 */
export function partitionValue(text: string, type: DeltaType): string {
  if (type !== 'timestamp' && type !== 'timestamp_ntz') return text
  const match = TIMESTAMP.exec(text)
  if (match === null) return text
  const [, date, time, fraction = ''] = match
  const micros = fraction.padEnd(6, '0')
  return type === 'timestamp' ? `${date}T${time}.${micros}Z` : `${date} ${time}.${micros}`
}
