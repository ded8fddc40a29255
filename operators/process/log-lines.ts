import { isUtf8 } from 'node:buffer'

/** Longer lines are logged in pieces of at most this many bytes; nothing is dropped. */
export const MAX_LINE_BYTES = 16 * 1024

const LF = 0x0a
const CR = 0x0d

/**
 * Turns the raw bytes of a program into log lines. A line ends at LF, CR or CRLF (so each step of a progress bar is a
 * line). Bytes that are not UTF-8 and control characters appear as `\xNN`; tab and ESC (colours) stay.
 */
export class LogLines {
  #rest: Buffer = Buffer.alloc(0)
  #afterCr = false

  /** @param emit takes one line without its end */
  constructor(private readonly emit: (line: string) => void) {}

  push(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let start = 0
    for (let end = nextLineEnd(data, 0, this.#rest.length); end !== -1; end = nextLineEnd(data, start, start)) {
      if (!(this.#afterCr && end === start && data[end] === LF)) this.#line(data.subarray(start, end))
      this.#afterCr = data[end] === CR
      start = end + 1
    }
    while (data.length - start > MAX_LINE_BYTES) {
      const end = characterBoundary(data, start + MAX_LINE_BYTES)
      this.#line(data.subarray(start, end))
      start = end
    }
    this.#rest = Buffer.from(data.subarray(start))
  }

  /** The program has closed its stream: what it wrote without a line end is a line too. */
  end(): void {
    if (this.#rest.length > 0) this.#line(this.#rest)
    this.#rest = Buffer.alloc(0)
  }

  #line(bytes: Buffer): void {
    let start = 0
    do {
      const end =
        bytes.length - start > MAX_LINE_BYTES ? characterBoundary(bytes, start + MAX_LINE_BYTES) : bytes.length
      this.emit(printable(bytes.subarray(start, end)))
      start = end
    } while (start < bytes.length)
  }
}

function nextLineEnd(data: Buffer, start: number, searched: number): number {
  const from = Math.max(start, searched)
  const lf = data.indexOf(LF, from)
  const cr = (lf === -1 ? data : data.subarray(0, lf)).indexOf(CR, from)
  return cr === -1 ? lf : cr
}

/** The last place at or before `end` that does not cut a UTF-8 character. */
function characterBoundary(data: Buffer, end: number): number {
  for (let back = 0; back < 4; back++) {
    if (((data[end - back] ?? 0) & 0xc0) !== 0x80) return end - back
  }
  return end
}

/** The bytes as text in which everything that is not text is visible as `\xNN`. */
export function printable(bytes: Buffer): string {
  const text = isUtf8(bytes) ? bytes.toString('utf8') : escapeInvalid(bytes)
  return text.replace(/[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f]/g, (c) => escapeByte(c.charCodeAt(0)))
}

function escapeInvalid(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] ?? 0
    const length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    const character = bytes.subarray(at, at + length)
    if (character.length === length && isUtf8(character)) {
      text += character.toString('utf8')
      at += length
    } else {
      text += escapeByte(byte)
      at += 1
    }
  }
  return text
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
