/** One object of a log: bytes `[start, end)`, the last of them the end of line `lastLine`. */
export interface Segment {
  start: number
  end: number
  lastLine: number
}

const NAME = /^(\d{12})-(\d{12})-(\d{9})\.ndjson$/

/** Digits are padded so that names sort by place. */
export function segmentName({ start, end, lastLine }: Segment): string {
  const digits = (value: number, length: number) => String(value).padStart(length, '0')
  return `${digits(start, 12)}-${digits(end, 12)}-${digits(lastLine, 9)}.ndjson`
}

/**
 * The segments to read one after the other, from byte 0 as far as they reach without a gap. Where merging has left the
 * same bytes in several, the longest is taken; a segment may begin before its predecessor ends.
 */
export function chainOf(names: readonly string[]): Segment[] {
  const segments = names.flatMap((name) => {
    const [, start, end, lastLine] = NAME.exec(name) ?? []
    return start === undefined ? [] : [{ start: Number(start), end: Number(end), lastLine: Number(lastLine) }]
  })
  segments.sort((a, b) => a.start - b.start || b.end - a.end)
  const chain: Segment[] = []
  let end = 0
  let next: Segment | null = null
  for (const segment of segments) {
    if (segment.start > end && next !== null) {
      chain.push(next)
      end = next.end
      next = null
    }
    if (segment.start <= end && segment.end > (next?.end ?? end)) next = segment
  }
  if (next !== null) chain.push(next)
  return chain
}
