/** An ISO instant for a person: to the second, its zone said. `-` for none. */
export function shortInstant(iso: string | null): string {
  return iso === null ? '-' : `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z`
}

/** `850 ms`, `12.3 s`, `41 m 12 s`, `3 h 5 m`: two units at most, none of them misleadingly exact. */
export function shortDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} m`
}

/** From start to end, or until `now` while it lasts; '' before the start. */
export function elapsed(startedAt: string | null, endedAt: string | null, now: number): string {
  if (startedAt === null) return ''
  return shortDuration((endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt))
}
