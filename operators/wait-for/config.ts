import { parseDuration } from '../../duration.js'
import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant, type Json } from '../../json.js'
import type { HttpConfig } from '../http/config.js'

export type HttpCondition = Pick<
  HttpConfig,
  'url' | 'connection' | 'headers' | 'query' | 'expected_status' | 'timeout'
> & {
  /** JSON pointer into the answer: the value it must have */
  equals?: Record<string, Json>
}

/** The long form of `wait_for`; exactly one of the conditions is there. */
export type WaitForConfig = {
  file?: string
  stable?: string
  table?: string
  version?: number
  changed_since?: string
  max_age?: string
  sql?: string
  http?: HttpCondition
  until?: string
  after?: string
  dag?: string
  interval?: 'same' | 'last'
  state?: 'success' | 'ended'
  connection?: string
  every?: string
  timeout?: string
  soft_fail?: boolean
}

export const DEFAULT_TIMEOUT = '7d'
export const DEFAULT_EVERY = '1m'
/** Looking more often than this is no waiting any more. */
const LEAST_EVERY_MS = 1_000

/** A duration in milliseconds. @throws SluiceError for what the pattern of durations lets pass and is none */
export function durationOf(key: string, text: string): number {
  const ms = parseDuration(text)
  if (ms !== null) return ms
  throw new SluiceError('OPERATOR_FAILED', `${key}: ${text} is not a duration.`, {
    hint: 'Write each unit once, the greatest first: 1h30m.',
    retryable: false,
  })
}

/** The time between two looks, in milliseconds, never under a second. @throws SluiceError as durationOf() does */
export function everyMs({ every = DEFAULT_EVERY }: WaitForConfig): number {
  return Math.max(LEAST_EVERY_MS, durationOf('every', every))
}

const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/

/** A date (its first instant in UTC) or an instant with its zone; null for any other text, and for 30 February. */
export function instantOrNull(text: string): Instant | null {
  const at = ISO.test(text) ? Date.parse(text) : Number.NaN
  const day = Date.parse(text.slice(0, 10))
  // days that a month does not have are read as days of the next one
  if (Number.isNaN(at) || isoInstant(day).slice(0, 10) !== text.slice(0, 10)) return null
  return at
}

/** @throws SluiceError for what `instantOrNull` does not take */
export function instantOf(key: string, text: string): Instant {
  const at = instantOrNull(text)
  if (at !== null) return at
  throw new SluiceError('OPERATOR_FAILED', `${key}: ${text.slice(0, 100)} is neither a date nor an instant.`, {
    hint: 'Write ISO 8601 with its zone, such as 2026-01-31T07:30:00Z or {{ interval.end }}.',
    retryable: false,
  })
}
