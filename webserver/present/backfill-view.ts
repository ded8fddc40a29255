import type { BackfillPreview } from '../../scheduler/commands.js'
import type { Backfill } from '../../scheduler/store/backfill-store.js'
import { path } from '../query.js'
import { count, countOf } from './numbers.js'
import { intervalTwice, timeTwice } from './time.js'

/** The colour and shape of a backfill's state: those of the run state that means the same. */
const STATES = { running: 'running', paused: 'deferred', done: 'success', cancelled: 'cancelled' } as const
const CHOICES = { all: 'all intervals', missing: 'intervals without a run', failed: 'intervals that failed' } as const

/** One row of the list of backfills. */
export function backfillView(backfill: Backfill, timezone: string, now: number) {
  const { id, state, slots, runs, which, reverse, maxActive } = backfill
  const passed = Math.min(backfill.passed, slots)
  const words = [CHOICES[which], reverse ? 'latest first' : '', `${count(maxActive)} at once`]
  return {
    id,
    state,
    glyph: STATES[state],
    range: intervalTwice(backfill.from, backfill.to, timezone, now),
    words: words.filter((word) => word !== '').join(', '),
    passed: count(passed),
    slots: count(slots),
    width: `${slots === 0 ? 100 : Math.round((100 * passed) / slots)}%`,
    runs: Object.entries(runs)
      .filter(([, number]) => number > 0)
      .map(([name, number]) => ({ name, number: count(number) })),
    by: backfill.createdBy,
    at: timeTwice(backfill.createdAt, timezone, now),
    actions: actionsOf(state).map((name) => ({ name, href: path`/backfills/${String(id)}/${name}` })),
  }
}

function actionsOf(state: Backfill['state']): string[] {
  if (state === 'running') return ['pause', 'cancel']
  return state === 'paused' ? ['resume', 'cancel'] : []
}

/** What a backfill would make, in sentences. */
export function previewView(preview: BackfillPreview, timezone: string, now: number) {
  const { slots, good, failed, missing, makes, first, last, maxActive } = preview
  if (first === null || last === null)
    return { makes: 0, text: 'No whole interval lies in the range.', note: '', due: null }
  return {
    makes,
    text: makes === 0 ? 'Nothing to make.' : `${countOf(makes, 'run')}, ${count(maxActive)} at once.`,
    note: `${countOf(slots, 'interval')}: ${count(good)} good or under way, ${count(failed)} failed, ${count(missing)} without a run.`,
    due: intervalTwice(first, last, timezone, now),
  }
}
