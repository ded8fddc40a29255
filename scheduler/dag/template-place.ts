/**
 * What a rendered value becomes part of (`x-template` in an operator's schema). A `condition` is no template: the whole text
 * is one (condition.ts), and it is written out as `true` or `false`.
 */
export type TemplateMode = 'sql' | 'shell' | 'text' | 'condition' | 'none'

/** Follows a text piece by piece and knows where in the language the end of the last piece stands. */
export interface PlaceScanner {
  feed(text: string): void
  /** a rendered value stands here */
  value(): void
  /** what the place is inside of, such as `single quotes`; null where a value may stand */
  inside(): string | null
}

const FREE: PlaceScanner = { feed: () => undefined, value: () => undefined, inside: () => null }

/**
 * A scanner for one text, at its beginning. Plain text, and what is no template, has no places where a value may not
 * stand.
 */
export function placeScanner(mode: TemplateMode): PlaceScanner {
  if (mode === 'sql') return new SqlScanner()
  return mode === 'shell' ? new ShellScanner() : FREE
}

/** Quotes, dollar quotes and comments of SQL as DuckDB and Trino read them. */
class SqlScanner implements PlaceScanner {
  /** the text that ends what we are in; '' in plain SQL */
  #until = ''
  #commentDepth = 0

  inside(): string | null {
    if (this.#commentDepth > 0 || this.#until === '\n') return 'a comment'
    if (this.#until === '') return null
    if (this.#until === "'") return 'single quotes'
    return this.#until === '"' ? 'double quotes' : 'dollar quotes'
  }

  feed(text: string): void {
    let at = 0
    while (at < text.length) at = this.#step(text, at)
  }

  value(): void {}

  #step(text: string, at: number): number {
    if (this.#commentDepth > 0) return this.#inComment(text, at)
    if (this.#until !== '') {
      const end = text.indexOf(this.#until, at)
      if (end === -1) return text.length
      const next = end + this.#until.length
      // a doubled quote closes and opens again, which comes to the same
      this.#until = ''
      return next
    }
    const rest = text.slice(at, at + 64)
    if (rest.startsWith('--')) this.#until = '\n'
    else if (rest.startsWith('/*')) this.#commentDepth = 1
    else if (rest[0] === "'" || rest[0] === '"') this.#until = rest[0]
    else if (rest[0] === '$' && !/[A-Za-z0-9_]$/.test(text.slice(0, at))) {
      this.#until = /^\$([A-Za-z_][A-Za-z0-9_]*)?\$/.exec(rest)?.[0] ?? ''
      return at + Math.max(1, this.#until.length)
    }
    return at + (rest.startsWith('--') || rest.startsWith('/*') ? 2 : 1)
  }

  #inComment(text: string, at: number): number {
    if (text.startsWith('/*', at)) this.#commentDepth++
    else if (text.startsWith('*/', at)) this.#commentDepth--
    else return at + 1
    return at + 2
  }
}

type ShellPlace = 'plain' | 'single' | 'ansi' | 'double' | 'comment' | 'backtick' | 'arithmetic' | 'heredoc'

const SHELL_PLACES: Record<ShellPlace, string | null> = {
  plain: null,
  single: 'single quotes',
  ansi: 'single quotes',
  double: 'double quotes',
  comment: 'a comment',
  backtick: 'backticks',
  arithmetic: 'arithmetic',
  heredoc: 'a here-document',
}

/** Quotes, comments, substitutions and here-documents of bash. */
class ShellScanner implements PlaceScanner {
  readonly #places: ShellPlace[] = ['plain']
  /** here-documents whose bodies begin on the next line */
  readonly #heredocs: { word: string; tabs: boolean }[] = []
  /** the character before, for what only begins at the start of a word */
  #before = '\n'
  #line = ''

  inside(): string | null {
    return SHELL_PLACES[this.#place()]
  }

  feed(text: string): void {
    let at = 0
    while (at < text.length) {
      const next = this.#step(text, at)
      this.#before = text[next - 1] ?? this.#before
      at = next
    }
  }

  value(): void {
    this.#before = 'x'
    this.#line += 'x'
  }

  #place(): ShellPlace {
    return this.#places.at(-1) ?? 'plain'
  }

  #step(text: string, at: number): number {
    const place = this.#place()
    const char = text[at] ?? ''
    if (place === 'heredoc') return this.#inHeredoc(char, at)
    if (place === 'single') return this.#closeOn("'", char, at)
    if (place === 'comment') return char === '\n' ? this.#newline(at, true) : at + 1
    if (char === '\\') return at + 2
    if (place === 'ansi') return this.#closeOn("'", char, at)
    if (place === 'backtick') return this.#closeOn('`', char, at)
    if (place === 'arithmetic') return this.#inArithmetic(text, at)
    return this.#open(text, at, place)
  }

  #closeOn(end: string, char: string, at: number): number {
    if (char === end) this.#places.pop()
    return at + 1
  }

  #inArithmetic(text: string, at: number): number {
    if (!text.startsWith('))', at)) return at + 1
    this.#places.pop()
    return at + 2
  }

  /** Plain text and double quotes, where other things begin. */
  #open(text: string, at: number, place: 'plain' | 'double'): number {
    const char = text[at] ?? ''
    if (text.startsWith('$((', at)) return this.#push('arithmetic', at + 3)
    if (text.startsWith('$(', at)) return this.#push('plain', at + 2)
    if (char === '`') return this.#push('backtick', at + 1)
    if (place === 'double') return this.#closeOn('"', char, at)
    if (char === '\n') return this.#newline(at, false)
    if (text.startsWith("$'", at)) return this.#push('ansi', at + 2)
    if (char === "'") return this.#push('single', at + 1)
    if (char === '"') return this.#push('double', at + 1)
    if (char === '#' && /[\s;&|()]/.test(this.#before)) return this.#push('comment', at + 1)
    if (text.startsWith('((', at)) return this.#push('arithmetic', at + 2)
    if (char === '(') return this.#push('plain', at + 1)
    if (char === ')' && this.#places.length > 1) this.#places.pop()
    if (text.startsWith('<<<', at)) return at + 3
    return text.startsWith('<<', at) ? this.#heredocStart(text, at) : at + 1
  }

  #push(place: ShellPlace, next: number): number {
    this.#places.push(place)
    return next
  }

  #heredocStart(text: string, at: number): number {
    const start = /^<<(-?)[ \t]*(?:'([^'\n]+)'|"([^"\n]+)"|\\?([A-Za-z0-9_.+-]+))/.exec(text.slice(at, at + 200))
    if (start === null) return at + 2
    this.#heredocs.push({ word: start[2] ?? start[3] ?? start[4] ?? '', tabs: start[1] === '-' })
    return at + start[0].length
  }

  #newline(at: number, endsComment: boolean): number {
    if (endsComment) this.#places.pop()
    if (this.#heredocs.length > 0) {
      this.#places.push('heredoc')
      this.#line = ''
    }
    return at + 1
  }

  #inHeredoc(char: string, at: number): number {
    if (char !== '\n') {
      this.#line += char
      return at + 1
    }
    const open = this.#heredocs[0]
    if (open !== undefined && (open.tabs ? this.#line.replace(/^\t+/, '') : this.#line) === open.word) {
      this.#heredocs.shift()
      if (this.#heredocs.length === 0) this.#places.pop()
    }
    this.#line = ''
    return at + 1
  }
}
