import type { Instant } from '../../json.js'
import type { RunState } from '../../scheduler/core/model.js'
import { duration } from './duration.js'
import { links } from './links.js'
import { timeLine } from './time.js'

/** A run as far as a bar shows it. */
export interface BarRun {
  runId: string
  state: RunState
  dueAt: Instant
  startedAt: Instant | null
  endedAt: Instant | null
}

export interface Bar {
  href: string
  state: RunState
  /** said by the link: which run, how it went, how long it took */
  label: string
  x: number
  y: number
  width: number
  height: number
  /** the mark that tells the state without its colour; '' for success */
  mark: string
}

/** Milliseconds a run has taken so far or in all; null before its start. */
export function runMs(run: { startedAt: Instant | null; endedAt: Instant | null }, now: Instant): number | null {
  return run.startedAt === null ? null : Math.max(0, (run.endedAt ?? now) - run.startedAt)
}

const BASE = 22
const TALLEST = 17
const LEAST = 4

/** The small bars of the DAG list, oldest at the left, as tall as they took long beside each other. */
export function smallBars(runs: readonly BarRun[], timezone: string, now: Instant): Bar[] {
  const longest = Math.max(1, ...runs.map((run) => runMs(run, now) ?? 0))
  return runs.map((run, place) => {
    const height = Math.round(LEAST + ((runMs(run, now) ?? 0) / longest) * (TALLEST - LEAST))
    const x = place * 8
    const outlined = run.state !== 'success' && run.state !== 'failed'
    return {
      href: links.run(run.runId),
      state: run.state,
      label: barLabel(run, timezone, now),
      x: outlined ? x + 0.5 : x,
      y: BASE - height + (outlined ? 0.5 : 0),
      width: outlined ? 5 : 6,
      height: outlined ? height - 1 : height,
      mark: markBelow(run.state, x),
    }
  })
}

/**
 * What a bar says to those who cannot see it: when the run was due, in the DAG's zone, how it went and how long it
 * took, or has taken by now.
 */
function barLabel(run: BarRun, timezone: string, now: Instant): string {
  const took = runMs(run, now)
  return `${timeLine(run.dueAt, timezone, now, { seconds: 'due' })}, ${run.state}${took === null ? '' : ` ${duration(took)}`}`
}

function markBelow(state: RunState, x: number): string {
  if (state === 'failed') return `M${x + 1} 25l4 4m0-4-4 4`
  if (state === 'cancelled') return `M${x} 27h6`
  if (state === 'running') return `M${x + 1.5} 24.8l3.4 2.2-3.4 2.2z`
  if (state === 'queued') return `M${x + 1.3} 27a1.7 1.7 0 1 0 3.4 0a1.7 1.7 0 1 0-3.4 0z`
  return ''
}

const DURATION_AXIS = { height: 72, top: 12, column: 30 }

export interface DurationBars {
  width: number
  bars: Bar[]
  /** texts of the axis, top first */
  axis: [string, string, string]
}

/** The bars above the grid: one a column, scaled to a round maximum. */
export function durationBars(runs: readonly BarRun[], timezone: string, now: Instant): DurationBars {
  const top = roundUp(Math.max(1, ...runs.map((run) => runMs(run, now) ?? 0)))
  const room = DURATION_AXIS.height - DURATION_AXIS.top
  const bars = runs.map((run, place) => {
    const height = Math.max(3, Math.round(((runMs(run, now) ?? 0) / top) * room))
    const x = place * DURATION_AXIS.column + 8
    const y = DURATION_AXIS.height - height
    const outlined = run.state !== 'success' && run.state !== 'failed'
    return {
      href: links.run(run.runId),
      state: run.state,
      label: barLabel(run, timezone, now),
      x: outlined ? x + 0.5 : x,
      y: outlined ? y + 0.5 : y,
      width: outlined ? 13 : 14,
      height: outlined ? height - 1 : height,
      mark: markAbove(run.state, x, y),
    }
  })
  return { width: runs.length * DURATION_AXIS.column, bars, axis: [axisText(top), axisText(top / 2), '0'] }
}

function markAbove(state: RunState, x: number, y: number): string {
  if (state === 'failed') return `M${x + 4.5} ${y - 8}l5 5m0-5-5 5`
  if (state === 'cancelled') return `M${x + 4} ${y - 5}h6`
  if (state === 'running') return `M${x + 5} ${y - 9}v6l5-3z`
  if (state === 'queued') return `M${x + 4.5} ${y - 6}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0z`
  return ''
}

const STEPS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
  1_200_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000,
]

/** The first round duration at or above `ms`. */
export function roundUp(ms: number): number {
  return STEPS_MS.find((step) => step >= ms) ?? Math.ceil(ms / 86_400_000) * 86_400_000
}

function axisText(ms: number): string {
  const text = duration(ms)
  return text.replace(/ 00 s$/, '').replace(/ 0 [mh]$/, '')
}
