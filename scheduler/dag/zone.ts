import type { Instant } from '../../json.js'
import { zoneOffset } from '../../zone-offset.js'

/**
 * Wall clocks. A wall time is written as the instant at which UTC's clock shows it: `Date.UTC(2026, 2, 29, 2, 30)` is half
 * past two, wherever it is meant.
 */
export type Wall = number

/** A stretch `[from, to)` in which a zone's clock keeps its offset; the next one may have the same. */
export interface ZoneSegment {
  from: Instant
  to: Instant
  /** what the wall clock is ahead of UTC, in milliseconds */
  offset: number
}

const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS
/** Segments are found in chunks of so many weeks. */
const CHUNK_MS = 10 * WEEK_MS
/** Chunks remembered over all zones, a few hundred bytes each: asking Intl takes 20 µs. */
const CHUNK_LIMIT = 4_000
/** No clock is further from UTC than this (the furthest are 14 hours). */
const FURTHEST_MS = 16 * HOUR_MS

const chunks = new Map<string, ZoneSegment[]>()

/**
 * The segment around an instant.
 * @param timezone a name that `isTimezone` accepts
 */
export function segmentAt(timezone: string, instant: Instant): ZoneSegment {
  const index = Math.floor(instant / CHUNK_MS)
  const segments = chunkOf(timezone, index)
  for (const segment of segments) if (instant < segment.to) return segment
  throw new Error(`no segment of ${timezone} holds ${instant}`)
}

/** What the wall clock shows at an instant. */
export function wallAt(timezone: string, instant: Instant): Wall {
  return instant + segmentAt(timezone, instant).offset
}

/**
 * The first instant at which the wall clock shows `wall` or has passed it: itself where it comes once, the first time where
 * it comes twice, the end of the gap where it does not come at all.
 */
export function firstInstant(timezone: string, wall: Wall): Instant {
  let segment = segmentAt(timezone, wall - FURTHEST_MS)
  while (wall - segment.offset >= segment.to) segment = segmentAt(timezone, segment.to)
  return Math.max(segment.from, wall - segment.offset)
}

/** The wall clock of one zone, for rules that must not know where clocks come from. */
export function zoneClock(timezone: string): { wallAt(instant: Instant): Wall; firstInstant(wall: Wall): Instant } {
  return {
    wallAt: (instant) => wallAt(timezone, instant),
    firstInstant: (wall) => firstInstant(timezone, wall),
  }
}

/** The furthest that the wall clock has come up to an instant: more than it shows then, when it was set back lately. */
export function furthestWall(timezone: string, instant: Instant): Wall {
  let segment = segmentAt(timezone, instant)
  let furthest = instant + segment.offset
  // no clock is set back by more than a day
  while (segment.from > instant - 2 * DAY_MS) {
    segment = segmentAt(timezone, segment.from - 1)
    furthest = Math.max(furthest, segment.to + segment.offset - 1)
  }
  return furthest
}

function chunkOf(timezone: string, index: number): ZoneSegment[] {
  const key = `${timezone} ${index}`
  const known = chunks.get(key)
  if (known !== undefined) return known
  const segments = findSegments(timezone, index * CHUNK_MS, (index + 1) * CHUNK_MS)
  chunks.set(key, segments)
  const oldest = chunks.keys().next()
  if (chunks.size > CHUNK_LIMIT && !oldest.done) chunks.delete(oldest.value)
  return segments
}

/** No zone changes its clock twice within a week, so equal ends mean that nothing happens between them. */
function findSegments(timezone: string, from: Instant, to: Instant): ZoneSegment[] {
  const segments: ZoneSegment[] = []
  let begin = from
  let offset = zoneOffset(timezone, from)
  for (let week = from; week < to; week += WEEK_MS) {
    const after = zoneOffset(timezone, week + WEEK_MS)
    if (after === offset) continue
    const change = findChange(timezone, week, week + WEEK_MS, offset)
    segments.push({ from: begin, to: change, offset })
    begin = change
    offset = after
  }
  // a change just at the end belongs to the next chunk
  if (begin < to) segments.push({ from: begin, to, offset })
  return segments
}

/** The first second of `(from, to]` with another offset than `before`. */
function findChange(timezone: string, from: Instant, to: Instant, before: number): Instant {
  let [same, other] = [from / 1_000, to / 1_000]
  while (other - same > 1) {
    const middle = Math.floor((same + other) / 2)
    if (zoneOffset(timezone, middle * 1_000) === before) same = middle
    else other = middle
  }
  return other * 1_000
}
