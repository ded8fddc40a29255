/** A here-document of bash, from its `<<` on. */
export interface HereDocument {
  /** the line that ends it */
  word: string
  /** `<<-`: tabs at the start of its lines do not count */
  tabs: boolean
  /** its lines are taken as they are: a backslash at the end of one does not join the next to it */
  verbatim: boolean
  /** how many places its `<<` stands inside of */
  depth: number
}

const START =
  /<<(-?)[ \t]*(?:'([^'\n]+)'|"([^"\n\\$`]+)"|(\\?)([^ \t\n;&|()<>'"\\$`#][^ \t\n;&|()<>'"\\$`]*))(?=[ \t\n;&|()<>]|$)/y

/**
 * The here-document that begins at a `<<`, and where its word ends.
 * @returns null for a word of which bash may make another one (partly quoted, with `$`)
 */
export function hereDocumentAt(
  text: string,
  at: number,
): { document: Omit<HereDocument, 'depth'>; next: number } | null {
  START.lastIndex = at
  const start = START.exec(text)
  if (start === null) return null
  const [whole, dash, single, double, backslash, bare] = start
  const document = {
    word: single ?? double ?? bare ?? '',
    tabs: dash === '-',
    verbatim: bare === undefined || backslash !== '',
  }
  return { document, next: at + whole.length }
}

/** Those whose bodies begin on the next line, or have begun, in their order. */
export class HereDocuments {
  readonly #open: HereDocument[] = []
  #line = ''

  isEmpty(): boolean {
    return this.#open.length === 0
  }

  /** Whether the `<<` of each stands this deep. */
  areAllAt(depth: number): boolean {
    return this.#open.every((one) => one.depth === depth)
  }

  /** Whether the `<<` of one stands deeper. */
  isAnyBelow(depth: number): boolean {
    return this.#open.some((one) => one.depth > depth)
  }

  begin(document: HereDocument): void {
    this.#open.push(document)
    this.#line = ''
  }

  /** Reads one more character of the bodies. */
  read(char: string): 'goes on' | 'all ended' | 'unclear' {
    const [first] = this.#open
    if (char !== '\n' || first === undefined) {
      this.#line += char
      return 'goes on'
    }
    if (!first.verbatim && /(?<!\\)(?:\\\\)*\\$/.test(this.#line)) {
      this.#line = this.#line.slice(0, -1)
      return 'goes on'
    }
    const line = first.tabs ? this.#line.replace(/^\t+/, '') : this.#line
    this.#line = ''
    // bash takes `END)` for the end and the parenthesis too, with a warning
    if (line !== first.word) return first.depth > 1 && isCutOff(line, first.word) ? 'unclear' : 'goes on'
    this.#open.shift()
    return this.isEmpty() ? 'all ended' : 'goes on'
  }
}

function isCutOff(line: string, word: string): boolean {
  return line.startsWith(word) && line.includes(')', word.length)
}
