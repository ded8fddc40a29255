/** One line of docs/BENCHMARKS.md: what was measured and whether it reaches the bar. */
export interface Figure {
  name: string
  bar: string
  measured: string
  met: boolean
  /** how it was measured, for the reader of docs/BENCHMARKS.md */
  method: string
  /** what the bar is held against; needed of a figure that is taken several times */
  value?: number
}

export interface Measurement {
  /** the word for `--only` */
  id: string
  /** taken so often, spread over the whole bench, where the machine's speed of the minute would decide; absent: once */
  takes?: number
  run(): Promise<Figure[]>
}

/**
 * The figure in the middle of several takes; of an even number the higher of the two.
 * @param takes one at least, of the same figure
 */
export function middleTake(takes: readonly Figure[]): Figure {
  const sorted = [...takes].sort((a, b) => (a.value ?? 0) - (b.value ?? 0))
  const middle = sorted[sorted.length >> 1]
  if (middle === undefined) throw new Error('a figure that was not taken')
  if (takes.length === 1) return middle
  const all = sorted.map(({ value = 0 }) => (value < 10 ? value.toFixed(2) : value.toFixed(0)))
  const method = `${middle.method}; the middle of ${takes.length} takes spread over the bench (${all.join(', ')}), since the machine's speed changes by the minute`
  return { ...middle, method }
}

/** Nearest-rank percentile; `p` from 0 to 100. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)]
  if (value === undefined) throw new Error('percentile of no values')
  return value
}

export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

export function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`
}
