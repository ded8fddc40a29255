import {
  type PastRun,
  type PastTask,
  possibleEnds,
  quantile,
  type RemainingTask,
} from '../../../scheduler/core/sla-forecast.js'

const MINUTE = 60_000
const HISTORY = 60
/** Tasks with their upstream and their median minutes: two branches of different length that meet. */
const SHAPE: readonly { id: string; needs: string[]; minutes: number }[] = [
  { id: 'ingest', needs: [], minutes: 8 },
  { id: 'clean', needs: ['ingest'], minutes: 12 },
  { id: 'match', needs: ['clean'], minutes: 20 },
  { id: 'lookup', needs: ['ingest'], minutes: 15 },
  { id: 'publish', needs: ['match', 'lookup'], minutes: 5 },
]

/** Even numbers in [0, 1), the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Lognormal times: a factor for the day that all tasks share, and one for each task; one wait in twenty is long. */
function makeRun(random: () => number): Map<string, PastTask> {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const day = Math.exp(0.12 * normal())
  return new Map(
    SHAPE.map(({ id, minutes }) => [
      id,
      {
        waitMs: (random() < 0.05 ? 12 : 0.5) * MINUTE * random(),
        durationMs: minutes * MINUTE * day * Math.exp(0.15 * normal()),
      },
    ]),
  )
}

/** Start and end of each task when the run is due at 0. */
function layOut(run: PastRun): Map<string, { start: number; end: number }> {
  const laid = new Map<string, { start: number; end: number }>()
  for (const { id, needs } of SHAPE) {
    const { waitMs, durationMs } = run.get(id) ?? { waitMs: 0, durationMs: 0 }
    const start = Math.max(0, ...needs.map((need) => laid.get(need)?.end ?? 0)) + waitMs
    laid.set(id, { start, end: start + durationMs })
  }
  return laid
}

function tasksAt(laid: ReadonlyMap<string, { start: number; end: number }>, now: number): RemainingTask[] {
  return SHAPE.map(({ id, needs }) => {
    const { start, end } = laid.get(id) ?? { start: 0, end: 0 }
    if (end <= now) return { id, needs, phase: 'done', since: end }
    return start <= now ? { id, needs, phase: 'running', since: start } : { id, needs, phase: 'waiting', since: null }
  })
}

export interface BackTestOptions {
  seed: number
  runs: number
  deadlineMinutes: number
  /** quantile of the forecast that a warning goes by */
  share: number
}

export interface BackTest {
  runs: number
  misses: number
  warnings: number
  /** share of the warnings that came true */
  precision: number
  /** share of the misses that were warned of */
  recall: number
  /** between the warning and the deadline, of warnings that came true */
  medianLeadMinutes: number
}

/** Replays runs minute by minute, each forecast from the 60 before it, and counts the first warning of each. */
export function backTest({ seed, runs, deadlineMinutes, share }: BackTestOptions): BackTest {
  const random = randomFrom(seed)
  const history: PastRun[] = Array.from({ length: HISTORY }, () => makeRun(random))
  const deadline = deadlineMinutes * MINUTE
  const leads: number[] = []
  let [misses, warnings] = [0, 0]
  for (let count = 0; count < runs; count += 1) {
    const run = makeRun(random)
    const laid = layOut(run)
    const end = Math.max(...[...laid.values()].map((task) => task.end))
    if (end > deadline) misses += 1
    for (let now = 0; now < Math.min(deadline, end); now += MINUTE) {
      const ends = possibleEnds(tasksAt(laid, now), history, now)
      if (ends === null || quantile(ends, share) <= deadline) continue
      warnings += 1
      if (end > deadline) leads.push((deadline - now) / MINUTE)
      break
    }
    history.shift()
    history.push(run)
  }
  const median = leads.toSorted((a, b) => a - b)[Math.floor(leads.length / 2)] ?? 0
  return {
    runs,
    misses,
    warnings,
    precision: leads.length / warnings,
    recall: leads.length / misses,
    medianLeadMinutes: median,
  }
}
