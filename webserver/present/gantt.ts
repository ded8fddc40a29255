import type { Instant } from '../../json.js'
import type { RunAttempt, RunTask } from '../../scheduler/store/reads/run-page.js'
import { roundUp } from './bars.js'
import { duration } from './duration.js'
import { isUtc, wallTime } from './time.js'

export const GANTT = { width: 440, height: 33, labelWidth: 64 }

export interface TimeScale {
  from: Instant
  /** pixels a millisecond */
  perMs: number
  ticks: { x: number; label: string; utc: string }[]
  /** all ticks as one path */
  tickPath: string
  /** x of now while the run goes on; null once it has ended */
  nowX: number | null
  nowLabel: string
  nowUtc: string
}

/** pixels that a character of a label takes at most */
const CHARACTER = 7

/** The scale of a run: from its start to its end, or to a little after now. */
export function timeScale(run: { from: Instant; to: Instant; live: boolean }, timezone: string): TimeScale {
  const span = Math.max(1, run.to - run.from)
  const shown = run.live ? span * 1.18 : span * 1.02
  const perMs = GANTT.width / shown
  const step = roundUp(shown / (GANTT.width / GANTT.labelWidth))
  const nowX = run.live ? round((run.to - run.from) * perMs) + 0.5 : null
  const ticks: TimeScale['ticks'] = []
  for (let at = 0; at * perMs < GANTT.width - 20; at += step) {
    const x = Math.floor(at * perMs) + 0.5
    ticks.push({ x, ...tickLabel(run.from + at, at, step, timezone) })
  }
  const whole = ticks.filter((tick) => tick.x + Math.max(tick.label.length, tick.utc.length) * CHARACTER <= GANTT.width)
  const clear =
    nowX === null ? whole : whole.filter((tick) => tick.x + GANTT.labelWidth - 8 < nowX || tick.x > nowX + 44)
  return {
    from: run.from,
    perMs,
    ticks: clear,
    tickPath: ticks.map((tick) => `M${tick.x} 0v${GANTT.height}`).join(''),
    nowX,
    nowLabel: 'now',
    nowUtc: wallTime(run.to, timezone).clock,
  }
}

/** Clock times with their UTC; below a minute a step, what has passed since the start. */
function tickLabel(at: Instant, passed: number, step: number, timezone: string): { label: string; utc: string } {
  if (step < 60_000 && passed > 0) return { label: `+${duration(passed)}`, utc: '' }
  const seconds = step < 60_000
  const local = wallTime(at, timezone)
  const utc = wallTime(at, 'UTC')
  const utcText = `${seconds ? utc.seconds : utc.clock}Z`
  return isUtc(timezone) ? { label: utcText, utc: '' } : { label: seconds ? local.seconds : local.clock, utc: utcText }
}

export interface GanttBar {
  kind: 'bar' | 'wait'
  state: string
  x: number
  y: number
  width: number
  height: number
}

/** What one task did when: solid while an attempt ran, dashed while it waited for a slot, a retry or something outside. */
export function ganttBars(task: RunTask, attempts: readonly RunAttempt[], scale: TimeScale, now: Instant): GanttBar[] {
  const bars: GanttBar[] = []
  // a task with items has no attempt of its own: it lasts as long as they do
  if (attempts.length === 0 && task.startedAt !== null && task.endedAt !== null)
    bars.push(bar('bar', task.state, task.startedAt, task.endedAt, scale))
  for (const [place, attempt] of attempts.entries()) {
    const last = place === attempts.length - 1
    const state = attempt.result === null ? task.state : stateOfResult(attempt.result)
    bars.push(bar('bar', state, attempt.claimedAt, attempt.endedAt ?? now, scale))
    const next = attempts[place + 1]
    if (next !== undefined && attempt.endedAt !== null)
      bars.push(bar('wait', 'up_for_retry', attempt.endedAt, next.claimedAt, scale))
    if (last && task.state === 'up_for_retry' && attempt.endedAt !== null)
      bars.push(bar('wait', 'up_for_retry', attempt.endedAt, task.notBefore ?? now, scale))
  }
  if (task.state === 'queued' || task.state === 'scheduled' || task.state === 'deferred')
    bars.push(bar('wait', task.state, task.since, now, scale))
  return bars.filter((drawn) => drawn.x <= GANTT.width)
}

/** The task state that an attempt's result reads as. */
export function stateOfResult(result: string): string {
  if (result === 'stopped') return 'cancelled'
  return result === 'timed_out' || result === 'lost' ? 'failed' : result
}

function bar(kind: GanttBar['kind'], state: string, from: Instant, to: Instant, scale: TimeScale): GanttBar {
  const x = Math.max(0, round((from - scale.from) * scale.perMs))
  const end = Math.min(GANTT.width, (to - scale.from) * scale.perMs)
  const width = Math.max(kind === 'bar' ? 2 : 0.5, round(end - x))
  return kind === 'bar' ? { kind, state, x, y: 10, width, height: 12 } : { kind, state, x, y: 13.5, width, height: 5 }
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10
}
