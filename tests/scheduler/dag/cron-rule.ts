import { dueTicks } from '../../../scheduler/dag/schedule.js'
import { cronSchedule } from '../core/dags.js'
import { dueByTheClock, type Scan } from './cron-oracle.js'

const DAY = 86_400_000

/** The first difference between Sluice and the clock, or null; `ticks` counts what was compared. */
export function compare(cron: string, timezone: string, scan: Scan): { difference: string | null; ticks: number } {
  const expected = dueByTheClock(cron, scan)
  const to = scan.from + scan.walls.length * 60_000
  const found = dueTicks(cronSchedule(cron, timezone), scan.from + 2 * DAY, to, Number.POSITIVE_INFINITY)
  for (let index = 0; index < Math.max(expected.length, found.length); index++) {
    if (expected[index] === found[index]) continue
    const text = `${cron} in ${timezone}: ${iso(found[index])} where the clock says ${iso(expected[index])}`
    return { difference: text, ticks: expected.length }
  }
  return { difference: null, ticks: expected.length }
}

function iso(instant: number | undefined): string {
  return instant === undefined ? 'nothing' : new Date(instant).toISOString()
}

/** The part of a scan from some days before each change of the clock to some days after it. */
export function aroundChanges(scan: Scan): Scan[] {
  const parts: Scan[] = []
  const [before, after] = [4 * 1_440, 2 * 1_440]
  for (let index = 1; index < scan.walls.length; index++) {
    if ((scan.walls[index] ?? 0) - (scan.walls[index - 1] ?? 0) === 1) continue
    const begin = Math.max(0, index - before)
    const walls = scan.walls.slice(begin, index + after)
    parts.push({ from: scan.from + begin * 60_000, walls, days: scan.days })
  }
  return parts
}
