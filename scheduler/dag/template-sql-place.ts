import type { PlaceScanner } from './template-place.js'

type SqlPlace = 'plain' | 'text' | 'escapes' | 'name' | 'dollar' | 'line' | 'block'

const SQL_PLACES: Record<SqlPlace, string | null> = {
  plain: null,
  text: 'single quotes',
  escapes: 'single quotes',
  name: 'double quotes',
  dollar: 'dollar quotes',
  line: 'a comment',
  block: 'a comment',
}

/** As PostgreSQL's lexer, which is DuckDB's, cuts words and numbers: a `$` inside a word begins no quote, and `E'` is a word of one letter. */
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d+/y
const DOLLAR_QUOTE = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y

/** Quotes, dollar quotes and comments of SQL as DuckDB and Trino read them. */
export class SqlScanner implements PlaceScanner {
  #place: SqlPlace = 'plain'
  /** the text that ends dollar quotes */
  #tag = ''
  #depth = 0
  /** only space and comments since an `E'…'`: a text that follows goes on with it, escapes and all */
  #afterEscapes = false
  #lost: string | null = null

  inside(): string | null {
    // a text right behind it would be read as more of it
    return this.#place === 'plain' && this.#afterEscapes ? 'a text with escapes' : SQL_PLACES[this.#place]
  }

  lost(): string | null {
    return this.#lost
  }

  takesList(): boolean {
    return true
  }

  value(): void {
    this.#afterEscapes = false
  }

  feed(text: string): void {
    let at = 0
    while (at < text.length) at = this.#place === 'plain' ? this.#open(text, at) : this.#within(this.#place, text, at)
  }

  #open(text: string, at: number): number {
    const char = text[at] ?? ''
    if (text.startsWith('--', at)) return this.#begin('line', at + 2)
    if (text.startsWith('/*', at)) {
      this.#depth = 1
      return this.#begin('block', at + 2)
    }
    if (/\s/.test(char)) return at + 1
    if (char === "'") return this.#begin(this.#afterEscapes ? 'escapes' : 'text', at + 1)
    this.#afterEscapes = false
    if (char === '"') return this.#begin('name', at + 1)
    if (char === '$') return this.#dollar(text, at)
    const word = matchAt(WORD, text, at)
    if (/^e$/i.test(word) && text[at + 1] === "'") return this.#begin('escapes', at + 2)
    return at + Math.max(1, word.length)
  }

  #begin(place: SqlPlace, next: number): number {
    this.#place = place
    return next
  }

  #dollar(text: string, at: number): number {
    this.#tag = matchAt(DOLLAR_QUOTE, text, at)
    return this.#tag === '' ? at + 1 : this.#begin('dollar', at + this.#tag.length)
  }

  #within(place: Exclude<SqlPlace, 'plain'>, text: string, at: number): number {
    if (place === 'block') return this.#inComment(text, at)
    if (place === 'escapes') return this.#inEscapes(text, at)
    const end = place === 'line' ? endOfLine(text, at) : text.indexOf(ENDS[place] ?? this.#tag, at)
    if (end === -1) return text.length
    // a doubled quote closes and opens again, which comes to the same
    return this.#begin('plain', end + (place === 'dollar' ? this.#tag.length : 1))
  }

  #inEscapes(text: string, at: number): number {
    const char = text[at]
    if (char === '\\' || text.startsWith("''", at)) return at + 2
    if (char !== "'") return at + 1
    this.#afterEscapes = true
    return this.#begin('plain', at + 1)
  }

  #inComment(text: string, at: number): number {
    if (text.startsWith('*/', at)) {
      this.#depth--
      return this.#depth === 0 ? this.#begin('plain', at + 2) : at + 2
    }
    if (!text.startsWith('/*', at)) return at + 1
    this.#depth++
    // the first `*/` ends it on Trino, the second on DuckDB
    this.#lost ??= 'a comment inside a comment'
    return at + 2
  }
}

const ENDS: Partial<Record<SqlPlace, string>> = { text: "'", name: '"' }

function endOfLine(text: string, at: number): number {
  const end = /[\r\n]/g
  end.lastIndex = at
  return end.exec(text)?.index ?? -1
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}
