import { HereDocuments, hereDocumentAt } from './template-here-documents.js'
import type { PlaceScanner } from './template-place.js'

type ShellPlace =
  | 'plain'
  | 'single'
  | 'ansi'
  | 'double'
  | 'comment'
  | 'backtick'
  | 'arithmetic'
  | 'expansion'
  | 'heredoc'

const SHELL_PLACES: Record<ShellPlace, string | null> = {
  plain: null,
  single: 'single quotes',
  ansi: 'single quotes',
  double: 'double quotes',
  comment: 'a comment',
  backtick: 'backticks',
  arithmetic: 'arithmetic',
  expansion: 'the braces of a variable',
  heredoc: 'a here-document',
}

/** One place inside the others; what follows `parens` is of plain text only. */
interface Level {
  place: ShellPlace
  /** open parentheses of arithmetic */
  parens: number
  /** the word being read and the one before it, as far as they can be keywords */
  word: string
  last: string
  /** inside of `[ … ]` or `[[ … ]]` */
  test: '' | '[' | '[['
  /** in the arguments of `let` */
  letting: boolean
  /** behind the `[` of `name[` */
  subscript: boolean
}

const QUOTES: ReadonlySet<ShellPlace> = new Set(['single', 'ansi', 'double'])
const LONGEST_WORD = 64
/** Operators of `[[ … ]]` that evaluate what stands beside them, and so run a command that a text holds. */
const EVALUATING = /^-(?:eq|ne|lt|le|gt|ge)$/
const EVALUATING_NEXT = /^\S{0,64}\s{1,64}-(?:eq|ne|lt|le|gt|ge)\s/

/**
 * Quotes, comments, substitutions and here-documents of bash. What it cannot follow for certain (a `case` whose `)` may close
 * a substitution, an unusual end of a here-document) it does not guess: it is lost from there on.
 */
export class ShellScanner implements PlaceScanner {
  readonly #levels: Level[] = [levelOf('plain')]
  readonly #heredocs = new HereDocuments()
  /** the character before, for what only begins at the start of a word */
  #before = '\n'
  #lost: string | null = null

  inside(after: string): string | null {
    const { place, subscript, letting, test, last } = this.#level()
    if (this.#lost !== null) return null
    if (place !== 'plain') return SHELL_PLACES[place]
    if (subscript) return 'the subscript of an array'
    if (letting || (test === '[[' && (EVALUATING.test(last) || EVALUATING_NEXT.test(after)))) return 'arithmetic'
    return test !== '' && last === '-v' ? 'a test for a variable' : null
  }

  lost(): string | null {
    return this.#lost
  }

  feed(text: string): void {
    let at = 0
    while (at < text.length && this.#lost === null) {
      const next = this.#step(text, at)
      // a line that goes on has no space at its end
      if (!isContinued(text, at, this.#level().place)) this.#before = text[at] === '\\' ? 'x' : (text[next - 1] ?? 'x')
      at = next
    }
  }

  value(): void {
    this.#before = 'x'
    this.#addToWord('x')
  }

  #level(): Level {
    return this.#levels.at(-1) ?? levelOf('plain')
  }

  #step(text: string, at: number): number {
    const { place } = this.#level()
    const char = text[at] ?? ''
    if (place === 'heredoc') return this.#inHeredoc(char, at)
    if (place === 'single') return this.#closeOn("'", char, at)
    if (place === 'comment') return char === '\n' ? this.#endComment(at) : at + 1
    if (char === '\\') return this.#escape(text, at)
    if (place === 'ansi') return this.#closeOn("'", char, at)
    if (place === 'backtick') return this.#closeOn('`', char, at)
    const opened = this.#substitution(text, at)
    if (opened !== null) return opened
    if (place === 'double') return this.#closeOn('"', char, at)
    return place === 'plain' ? this.#inPlain(text, at) : this.#inMatched(place, text, at)
  }

  #escape(text: string, at: number): number {
    const signs = `${text[at - 1] ?? ''}${text[at + 2] ?? ''}`
    if (text[at + 1] !== '\n') this.#addQuoted(this.#level(), text[at + 1] ?? '')
    else if (/^[$<]|^\(\($/.test(signs)) this.#lose('a sign that goes on in the next line')
    return at + 2
  }

  #closeOn(end: string, char: string, at: number): number {
    if (char === end) this.#levels.pop()
    else if (QUOTES.has(this.#level().place)) this.#addQuoted(this.#levels.at(-2), char)
    return at + 1
  }

  /** Quotes do not keep a command from being `let` or `[`, nor `-v` from being what it is. */
  #addQuoted(level: Level | undefined, char: string): void {
    if (level?.place !== 'plain' || level.word.length >= LONGEST_WORD) return
    level.word += /[A-Za-z-]/.test(char) || (char === '[' && level.word === '') ? char : 'x'
  }

  /** What begins in double quotes as well as outside of them. */
  #substitution(text: string, at: number): number | null {
    const char = text[at] ?? ''
    if (char === '`') return this.#push('backtick', at + 1)
    if (char !== '$') return null
    if (text.startsWith('((', at + 1)) return this.#push('arithmetic', at + 3)
    if (text[at + 1] === '(') return this.#push('plain', at + 2)
    if (text[at + 1] === '[') return this.#lose('the old arithmetic `$[…]`', at)
    if (text[at + 1] !== '{') return null
    if (/[\s|]/.test(text[at + 2] ?? '')) return this.#lose('braces that hold a command', at)
    return this.#push('expansion', at + 2)
  }

  /** Braces of a variable and arithmetic: they end at their own bracket, whatever stands in quotes. */
  #inMatched(place: ShellPlace, text: string, at: number): number {
    const char = text[at] ?? ''
    const next = text[at + 1] ?? ''
    if (char === '"') return this.#push('double', at + 1)
    if (char === "'" || (char === '$' && next === "'")) {
      // bash itself reads them in one way or the other, by its version and mode
      if (this.#levels.some((level) => level.place === 'double')) return this.#lose('single quotes in braces', at)
      return char === '$' ? this.#push('ansi', at + 2) : this.#push('single', at + 1)
    }
    if (/[<>]/.test(char) && next === '(' && place === 'expansion') return this.#lose('a process in braces', at)
    return place === 'expansion' ? this.#closeOn('}', char, at) : this.#inArithmetic(char, next, at)
  }

  #inArithmetic(char: string, next: string, at: number): number {
    const level = this.#level()
    if (char === '(') level.parens++
    if (char !== ')') return at + 1
    if (level.parens > 0) {
      level.parens--
      return at + 1
    }
    if (next !== ')') return this.#lose('parentheses that begin like arithmetic', at)
    this.#levels.pop()
    return at + 2
  }

  #inPlain(text: string, at: number): number {
    const char = text[at] ?? ''
    if (text.startsWith("$'", at)) return this.#push('ansi', at + 2)
    if (char === "'") return this.#push('single', at + 1)
    if (char === '"') return this.#push('double', at + 1)
    if (char === '#' && /[ \t\n;&|()<>]/.test(this.#before)) return this.#push('comment', at + 1)
    if (!/[ \t\n;&|()<>]/.test(char)) {
      this.#addToWord(char)
      return at + 1
    }
    this.#endWord()
    if (/[\n;&|()]/.test(char)) this.#endCommand()
    if (char === '\n') return this.#newline(at + 1)
    if (text.startsWith('((', at)) return this.#push('arithmetic', at + 2)
    if (char === '(') return this.#push('plain', at + 1)
    if (char === ')') return this.#closeParenthesis(at + 1)
    if (text.startsWith('<<<', at)) return at + 3
    return text.startsWith('<<', at) ? this.#beginHeredoc(text, at) : at + 1
  }

  #push(place: ShellPlace, next: number): number {
    if (!QUOTES.has(place)) this.#addToWord('x')
    this.#levels.push(levelOf(place))
    return next
  }

  #addToWord(char: string): void {
    const level = this.#level()
    if (level.place !== 'plain') return
    if (char === '[' && /^[A-Za-z_]\w*$/.test(level.word)) level.subscript = true
    if (char === ']') level.subscript = false
    if (level.word.length < LONGEST_WORD) level.word += char
  }

  #endWord(): void {
    const level = this.#level()
    const { word } = level
    if (word === '') return
    if (this.#levels.length > 1) {
      if (word === 'case') this.#lose('a `case` in parentheses')
      if (word === '=~') this.#lose('a `=~` in parentheses')
    }
    if (word === '[[') level.test = '[['
    else if (word === '[' || word === 'test') level.test = '['
    else if (word === ']]' || word === ']') level.test = ''
    if (word === 'let') level.letting = true
    level.last = word
    level.word = ''
    level.subscript = false
  }

  #endCommand(): void {
    const level = this.#level()
    level.letting = false
    level.last = ''
    if (level.test === '[') level.test = ''
  }

  #closeParenthesis(next: number): number {
    if (this.#levels.length === 1) return next
    this.#levels.pop()
    if (this.#heredocs.isAnyBelow(this.#levels.length)) this.#lose('a here-document that its parentheses cut off')
    return next
  }

  #beginHeredoc(text: string, at: number): number {
    const found = hereDocumentAt(text, at)
    // a value right behind the word would be part of it
    if (found === null || found.next === text.length) return this.#lose('a here-document with an unusual end', at)
    this.#heredocs.begin({ ...found.document, depth: this.#levels.length })
    return found.next
  }

  #endComment(at: number): number {
    this.#levels.pop()
    this.#endCommand()
    return this.#newline(at + 1)
  }

  #newline(next: number): number {
    if (this.#heredocs.isEmpty()) return next
    if (!this.#heredocs.areAllAt(this.#levels.length)) this.#lose('a here-document around parentheses')
    this.#levels.push(levelOf('heredoc'))
    return next
  }

  #inHeredoc(char: string, at: number): number {
    const came = this.#heredocs.read(char)
    if (came === 'all ended') this.#levels.pop()
    if (came === 'unclear') this.#lose('a here-document whose end stands before a parenthesis')
    return at + 1
  }

  #lose(after: string, at = 0): number {
    this.#lost ??= after
    return at + 1
  }
}

function levelOf(place: ShellPlace): Level {
  return { place, parens: 0, word: '', last: '', test: '', letting: false, subscript: false }
}

function isContinued(text: string, at: number, place: ShellPlace): boolean {
  return text[at] === '\\' && text[at + 1] === '\n' && place === 'plain'
}
