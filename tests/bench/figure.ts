/** One line of DESIGN 11: what was measured and whether it reaches the bar. */
export interface Figure {
  name: string
  bar: string
  measured: string
  met: boolean
  /** how it was measured, for the reader of docs/BENCHMARKS.md */
  method: string
}

export interface Measurement {
  /** the word for `--only` */
  id: string
  run(): Promise<Figure[]>
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
