const WHOLE = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 })

/** `8,412,903` */
export function count(value: number): string {
  return WHOLE.format(value)
}

/** `1 task`, `18 tasks` */
export function countOf(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** Bytes in powers of ten, as object stores bill them: `512 B`, `2.9 kB`, `18.4 GB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let rest = value
  let unit = 0
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000
    unit += 1
  }
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`
}

/** What a commit changed, e.g. `+47,980 ~233 −12`; `no rows` when it changed none. */
export function rowChanges(change: { rowsAdded: number; rowsUpdated: number; rowsRemoved: number }): string {
  const parts = [
    change.rowsAdded > 0 ? `+${count(change.rowsAdded)}` : '',
    change.rowsUpdated > 0 ? `~${count(change.rowsUpdated)}` : '',
    change.rowsRemoved > 0 ? `−${count(change.rowsRemoved)}` : '',
  ].filter((part) => part !== '')
  return parts.length === 0 ? 'no rows' : `${parts.join(' ')} rows`
}

/** The middle and the ninth tenth of some durations; null without any. */
export function spread(values: readonly number[]): { median: number; p90: number } | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => {
    const place = share * (sorted.length - 1)
    const low = sorted[Math.floor(place)] ?? 0
    const high = sorted[Math.ceil(place)] ?? low
    return low + (high - low) * (place - Math.floor(place))
  }
  return { median: at(0.5), p90: at(0.9) }
}
