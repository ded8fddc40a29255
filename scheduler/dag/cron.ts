import type { Instant } from '../../json.js'
import { type CronFields, CronSyntaxError, parseCron } from './cron-fields.js'
import { nextMatch, previousMatch } from './cron-match.js'
import { remembered } from './remembered.js'
import { DAY_MS, firstInstant, furthestWall, segmentAt, type Wall } from './zone.js'

/**
 * When cron expressions are due (docs/guides/time.md). The rule:
 * - a fixed wall time fires once a day, when the clock first shows or passes it: at the first instant after a gap that
 *   swallows it (times that meet there fire once), and at the first occurrence in a repeated hour;
 * - a `*` in second, minute or hour follows the clock: it fires whenever the clock shows a time that matches, in a repeated
 *   hour twice, in a gap not at all;
 * - a whole missing day (Apia, 2011-12-30) has no run;
 * - day of month and day of week are OR when both are restricted.
 */
export interface ZonedCron {
  cron: string
  timezone: string
}

const SECOND_MS = 1_000
/** No clock is set back or forth by more than a day and an hour. */
const CHANGE_MS = 25 * 3_600_000

const fieldsOf = remembered(parseCron)

/** The first due instant after `after` (exclusive); null when there is none. */
export function nextCron({ cron, timezone }: ZonedCron, after: Instant): Instant | null {
  const fields = fieldsOf(cron)
  return fields.followsClock ? nextByClock(fields, timezone, after) : nextFixed(fields, timezone, after)
}

/** The last due instant at or before `atOrBefore`; null when there is none. */
export function previousCron({ cron, timezone }: ZonedCron, atOrBefore: Instant): Instant | null {
  const fields = fieldsOf(cron)
  return fields.followsClock
    ? previousByClock(fields, timezone, atOrBefore)
    : previousFixed(fields, timezone, atOrBefore)
}

/** What is wrong with a cron text, as the rest of a sentence that begins with it, and what to do; null when it is good. */
export const cronProblem = remembered((cron: string): { message: string; hint: string } | null => {
  try {
    if (nextMatch(parseCron(cron), 0) !== null) return null
    return { message: 'never fires: no date has that day and month', hint: 'correct the day or the month' }
  } catch (error) {
    if (error instanceof CronSyntaxError) return { message: error.message, hint: error.hint }
    throw error
  }
})

/** Only wall times that the clock has not come to yet are still to fire. */
function nextFixed(fields: CronFields, timezone: string, after: Instant): Instant | null {
  let wall = nextMatch(fields, nextSecond(furthestWall(timezone, after)))
  while (wall !== null && isMissingDay(timezone, wall)) wall = nextMatch(fields, dayOf(wall) + DAY_MS)
  return wall === null ? null : firstInstant(timezone, wall)
}

function previousFixed(fields: CronFields, timezone: string, atOrBefore: Instant): Instant | null {
  let wall = previousMatch(fields, thisSecond(furthestWall(timezone, atOrBefore)))
  while (wall !== null && isMissingDay(timezone, wall)) wall = previousMatch(fields, dayOf(wall) - SECOND_MS)
  return wall === null ? null : firstInstant(timezone, wall)
}

/** True when the clock goes from the end of the day before to the next day at once. */
function isMissingDay(timezone: string, wall: Wall): boolean {
  const day = dayOf(wall)
  const begin = firstInstant(timezone, day)
  return begin + segmentAt(timezone, begin).offset >= day + DAY_MS
}

function nextByClock(fields: CronFields, timezone: string, after: Instant): Instant | null {
  let instant = nextSecond(after)
  for (;;) {
    const { to, offset } = segmentAt(timezone, instant)
    const wall = nextMatch(fields, instant + offset)
    if (wall === null) return null
    if (wall - offset < to) return wall - offset
    // a clock set back shows again only what lies this far back; without a match there, nothing comes before `wall`
    const again = nextMatch(fields, Math.min(instant, to - CHANGE_MS) + offset)
    instant = again === wall ? Math.max(to, thisSecond(wall - offset - 2 * CHANGE_MS)) : to
  }
}

function previousByClock(fields: CronFields, timezone: string, atOrBefore: Instant): Instant | null {
  let instant = thisSecond(atOrBefore)
  for (;;) {
    const { from, offset } = segmentAt(timezone, instant)
    const wall = previousMatch(fields, instant + offset)
    if (wall === null) return null
    if (wall - offset >= from) return wall - offset
    const again = previousMatch(fields, Math.max(instant, from + CHANGE_MS) + offset)
    const before = from - SECOND_MS
    instant = again === wall ? Math.min(before, thisSecond(wall - offset + 2 * CHANGE_MS)) : before
  }
}

function dayOf(wall: Wall): Wall {
  return Math.floor(wall / DAY_MS) * DAY_MS
}

function thisSecond(instant: number): number {
  return Math.floor(instant / SECOND_MS) * SECOND_MS
}

function nextSecond(instant: number): number {
  return thisSecond(instant) + SECOND_MS
}
