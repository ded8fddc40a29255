const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/**
 * A duration for people: `120 ms`, `2.4 s`, `38 s`, `3 m 08 s`, `1 h 11 m`, `10 d 16 h`. Two units at most; a
 * negative one (clocks differ) reads as nothing at all.
 */
export function duration(ms: number): string {
  const rest = Math.max(0, Math.round(ms))
  if (rest < SECOND) return `${rest} ms`
  if (rest < 10 * SECOND) return `${(Math.floor(rest / 100) / 10).toFixed(1).replace('.0', '')} s`
  if (rest < MINUTE) return `${Math.floor(rest / SECOND)} s`
  if (rest < HOUR) return pair(Math.floor(rest / SECOND), 60, 'm', 's')
  if (rest < DAY) return pair(Math.floor(rest / MINUTE), 60, 'h', 'm')
  return pair(Math.floor(rest / HOUR), 24, 'd', 'h')
}

/** The same in one unit, for axes and ages: `38 s`, `39 m`, `2 h`, `5 d`. */
export function roughDuration(ms: number): string {
  const rest = Math.max(0, ms)
  if (rest < SECOND) return `${Math.round(rest)} ms`
  if (rest < MINUTE) return `${Math.floor(rest / SECOND)} s`
  if (rest < HOUR) return `${Math.floor(rest / MINUTE)} m`
  if (rest < DAY) return `${Math.floor(rest / HOUR)} h`
  return `${Math.floor(rest / DAY)} d`
}

function pair(count: number, per: number, large: string, small: string): string {
  const rest = count % per
  const second = small === 's' ? String(rest).padStart(2, '0') : String(rest)
  return `${Math.floor(count / per)} ${large} ${second} ${small}`
}
