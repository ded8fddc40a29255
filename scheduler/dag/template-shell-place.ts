import { HereDocuments, hereDocumentAt } from './template-here-documents.js'
import type { PlaceScanner } from './template-place.js'
import { ShellCommand } from './template-shell-command.js'
import { type ScriptTraits, scriptTraits } from './template-shell-traits.js'

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
  /** the command being read */
  command: ShellCommand
  /** in a parenthesis right behind a word, of a pattern perhaps, where `#` may begin no comment */
  glued: boolean
}

/** What ends a word of bash. */
const SEPARATOR = /[ \t\n;&|()<>]/
const QUOTES: ReadonlySet<ShellPlace> = new Set(['single', 'ansi', 'double'])

/**
 * Quotes, comments, substitutions, here-documents and commands of bash. What it cannot follow for certain (a `case` whose `)` may
 * close a substitution, an unusual end of a here-document) it does not guess: it is lost from there on.
 */
export class ShellScanner implements PlaceScanner {
  readonly #levels: Level[] = [levelOf('plain')]
  readonly #heredocs = new HereDocuments()
  readonly #script: ScriptTraits
  /** the character before, for what only begins at the start of a word */
  #before = '\n'
  #lost: string | null = null

  /** @param script all of it, whatever stands for its values */
  constructor(script: string) {
    this.#script = scriptTraits(script)
    if (this.#script.aliases) this.#lose('`expand_aliases`')
  }

  inside(after: string): string | null {
    const { place, command } = this.#level()
    if (this.#lost !== null) return null
    return place === 'plain' ? command.judge(after, this.#script) : SHELL_PLACES[place]
  }

  takesList(): boolean {
    return this.#level().command.takesList()
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
    if (this.#level().place === 'plain') this.#level().command.addUnknown()
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
    if (text[at + 1] !== '\n') this.#addQuoted(text[at + 1] ?? '')
    else if (/^[$<]|^\(\($/.test(signs)) this.#lose('a sign that goes on in the next line')
    return at + 2
  }

  #closeOn(end: string, char: string, at: number): number {
    if (char === end) this.#levels.pop()
    else this.#addQuoted(char)
    return at + 1
  }

  /** To the word that the quotes, or the backslash, stand in. */
  #addQuoted(char: string): void {
    const { place, command } = this.#level()
    if (place === 'plain') command.addQuoted(char)
    const around = this.#levels.at(-2)
    if (!QUOTES.has(place) || around?.place !== 'plain') return
    if (place === 'ansi') around.command.addObscure()
    else around.command.addQuoted(char)
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
    const { command } = this.#level()
    if (text.startsWith("$'", at)) return this.#push('ansi', at + 2)
    if (char === "'") return this.#push('single', at + 1)
    if (char === '"') return this.#push('double', at + 1)
    if (char === '#' && SEPARATOR.test(this.#before)) return this.#comment(at + 1)
    if (char === '(' && command.beginsList) return this.#open('list', at + 1)
    if (!SEPARATOR.test(char)) {
      command.add(char)
      return at + 1
    }
    this.#endWord(char)
    if (char === '(' && /[<>]/.test(this.#before)) return this.#processSubstitution(at + 1)
    if (/[\n;&|()]/.test(char) && !this.#isOfRedirection(text, at)) command.endCommand(char)
    if (/[<>]/.test(char)) command.redirect(text.startsWith('<<<', at) ? '<<<' : char)
    if (char === '\n') return this.#newline(at + 1)
    if (text.startsWith('((', at)) return this.#push('arithmetic', at + 2)
    if (char === '(') return this.#open(command.isTest ? 'test' : 'command', at + 1)
    if (char === ')') return this.#closeParenthesis(at + 1)
    if (text.startsWith('<<<', at)) return at + 3
    return text.startsWith('<<', at) ? this.#beginHeredoc(text, at) : at + 1
  }

  /** `>&`, `<&`, `>|` and `&>` end no command. */
  #isOfRedirection(text: string, at: number): boolean {
    if (text[at] === '&') return /[<>]/.test(this.#before) || text[at + 1] === '>'
    return text[at] === '|' && this.#before === '>'
  }

  #comment(next: number): number {
    return this.#level().glued ? this.#lose('a `#` in parentheses', next - 1) : this.#push('comment', next)
  }

  #push(place: ShellPlace, next: number): number {
    const { place: around, command } = this.#level()
    if (around === 'plain' && !QUOTES.has(place) && place !== 'comment') command.addUnknown()
    this.#levels.push(levelOf(place))
    return next
  }

  /** A parenthesis that is part of no word but of a list: `name=(`. */
  #open(place: ShellCommand['place'], next: number): number {
    const glued = place !== 'list' && !/[\s;&|()<>]/.test(this.#before)
    if (place === 'list') this.#level().command.addUnknown()
    this.#levels.push({ ...levelOf('plain'), command: new ShellCommand(place), glued })
    return next
  }

  #processSubstitution(next: number): number {
    return this.#level().command.isTest ? this.#lose('a process in a test', next - 1) : this.#push('plain', next)
  }

  #endWord(next: string): void {
    const word = this.#level().command.endWord(next)
    if (word === null) this.#lose('a subscript that goes on behind a space')
    if (this.#levels.length === 1) return
    if (word === 'case') this.#lose('a `case` in parentheses')
    if (word === '=~') this.#lose('a `=~` in parentheses')
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
    this.#level().command.endCommand('\n')
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
  return { place, parens: 0, command: new ShellCommand(), glued: false }
}

function isContinued(text: string, at: number, place: ShellPlace): boolean {
  return text[at] === '\\' && text[at + 1] === '\n' && place === 'plain'
}
