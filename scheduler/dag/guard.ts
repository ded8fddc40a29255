import { isUtf8 } from 'node:buffer'

/**
 * What is refused before any parser sees it, so that no file, however hostile, costs more than a moment.
 * Nesting, tokens, anchors and aliases are counted while tokenising (`parse.ts`); here are the bytes.
 */
export const LIMITS = {
  /** bytes of one DAG file */
  fileBytes: 1_000_000,
  /** bytes of one file that a DAG names, and of all of them together */
  namedFileBytes: 1_000_000,
  namedFilesBytes: 8_000_000,
  /** levels of maps and lists; a real DAG needs about eight */
  nesting: 50,
  aliases: 100,
  /** words, signs, comments and line ends: what the parser's time depends on */
  tokens: 100_000,
  /** tasks of one DAG */
  tasks: 5_000,
  /** values in the document once aliases are written out */
  values: 50_000,
  /** problems reported for one file; what follows is noise */
  problems: 100,
} as const

/** A place in a file, counted from 1. */
export interface Position {
  line: number
  column: number
}

/** Something found wrong before there is a document to point into. */
export interface TextProblem extends Position {
  message: string
  hint: string
}

/** Control characters that YAML forbids; tab, line feed and carriage return are not among them. */
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/

/** @returns the text of a DAG file without its byte order mark, or why the bytes are no text */
export function guardBytes(bytes: Uint8Array): { text: string } | { problem: TextProblem } {
  if (bytes.length > LIMITS.fileBytes) return { problem: tooLarge(bytes.length) }
  const otherEncoding = encodingByMark(bytes)
  if (otherEncoding !== null) {
    return problemAt({ line: 1, column: 1 }, `the file is ${otherEncoding}, not UTF-8`, 'save it as UTF-8')
  }
  if (!isUtf8(bytes)) {
    return problemAt(firstInvalid(bytes), 'the file is not UTF-8 from here on', 'save it as UTF-8; is it a YAML file?')
  }
  const text = new TextDecoder('utf-8').decode(bytes)
  const control = CONTROL.exec(text)
  if (control === null) return { text }
  const code = (control[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  const name = code === '0000' ? 'a NUL byte' : `the control character U+${code}`
  return problemAt(positionAt(text, control.index), `the file holds ${name}`, 'remove it; is it a YAML file?')
}

/** The problem of a file that is over the limit, also for callers that refuse to read it at all. */
export function tooLarge(bytes: number): TextProblem {
  const limit = `${LIMITS.fileBytes / 1_000_000} MB`
  return {
    line: 1,
    column: 1,
    message: `the file has ${(bytes / 1_000_000).toFixed(1)} MB; a DAG file has at most ${limit}`,
    hint: 'move SQL and scripts to files of their own, or split the DAG',
  }
}

/** Line and column, counted from 1, of an offset in UTF-16 units. */
export function positionAt(text: string, offset: number): Position {
  return positionsIn(text)(offset)
}

/** The same for many offsets of one text; the lines are counted once, when the first is asked for. */
export function positionsIn(text: string): (offset: number) => Position {
  let starts: number[] | null = null
  return (offset) => {
    starts ??= lineStarts(text)
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function problemAt(position: Position, message: string, hint: string): { problem: TextProblem } {
  return { problem: { ...position, message, hint } }
}

function encodingByMark(bytes: Uint8Array): string | null {
  const [first, second] = bytes
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) ? 'UTF-16' : null
}

/** Where the first byte stands that is no UTF-8: by lines first, so that the lenient decoding sees one line only. */
function firstInvalid(bytes: Uint8Array): Position {
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start)
    const piece = bytes.subarray(start, end === -1 ? bytes.length : end)
    if (!isUtf8(piece)) return { line, column: 1 + validPrefix(piece) }
    if (end === -1) break
    start = end + 1
  }
  return { line, column: 1 }
}

/** Characters before the first invalid byte of a line; by halving, because a prefix of invalid text may be valid. */
function validPrefix(line: Uint8Array): number {
  let good = 0
  let bad = line.length
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2)
    // a cut inside a character is not the invalid byte itself: look at up to three bytes more
    const valid = [0, 1, 2, 3].some((more) => middle + more <= line.length && isUtf8(line.subarray(0, middle + more)))
    if (valid) good = middle
    else bad = middle
  }
  let whole = good
  while (whole > 0 && !isUtf8(line.subarray(0, whole))) whole--
  return new TextDecoder('utf-8').decode(line.subarray(0, whole)).length
}
