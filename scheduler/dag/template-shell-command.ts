import type { ScriptTraits } from './template-shell-traits.js'

/** A part of a word that is known only when the script runs: a value, a variable, what a command prints. */
const UNKNOWN = '\u0001'
/** A part of a word that is written in a way that is not read here, such as `$'\x65'`. */
const OBSCURE = '\u0002'
const LONGEST_WORD = 256
const MOST_WORDS = 256

/** Words before a command that are not the command. */
const BEFORE_COMMAND = new Set('if then elif else while until do ! { time command builtin exec coproc'.split(' '))
const WITH_OPTIONS = new Set(['time', 'command', 'builtin', 'exec'])
const DECLARATIONS = new Set(['declare', 'typeset', 'local', 'export', 'readonly'])
const READ_AS_COMMANDS = new Set(['eval', 'trap', 'compgen', 'complete', 'compopt', 'bind', 'alias', 'enable'])
const TAKE_NAMES = new Set(['read', 'unset', 'mapfile', 'readarray', 'getopts', 'wait'])
const READ_IN = new Set(['source', '.'])
const SHELLS = /(?:^|\/)(?:sh|bash|dash|ash|ksh|mksh|zsh)$/
const PLAIN_COMMAND = /^[\p{L}\p{N}_.+@%:,/~=\u0001-]+$/u

/** Variables whose values bash evaluates or runs, whoever sets them (bash 5.2: shell variables with an integer's attribute; prompts). */
const SPECIAL =
  /^(?:BASH\w*|PS[0-4]|ENV|PROMPT_COMMAND|MAILPATH|S?RANDOM|SECONDS|LINENO|OPTIND|HISTCMD|EPOCH\w+|PPID|E?UID)$/
const ASSIGNMENT = /^([A-Za-z_]\w*)(?:\[.*\])?\+?=/

const COMPARED = new Set(['=', '==', '!=', '=~', '<', '>', '-nt', '-ot', '-ef'])
const NUMBERS = new Set(['-eq', '-ne', '-lt', '-le', '-gt', '-ge'])
const UNARY = /^-[abcdefghknoprstuwxzGLNOS]$/
const BEFORE_OPERAND = new Set(['[[', '[', 'test', '!', '(', '&&', '||', '-a', '-o'])
const TAIL = String.raw`^[\w./:%@,+-]{0,64}`
const AFTER_OPERAND = new RegExp(
  String.raw`${TAIL}(?:[ \t\n]+(?:==?|!=|=~|<|>|-nt|-ot|-ef|&&|\|\|)[ \t\n]|[ \t\n]+\]\]?(?:[ \t\n;&|)]|$)|[ \t\n]*\))`,
)
const COMPARED_AS_NUMBER = new RegExp(String.raw`${TAIL}[ \t\n]+-(?:eq|ne|lt|le|gt|ge)[ \t\n]`)
const END_OF_TEST = new RegExp(String.raw`${TAIL}[ \t\n]*(?:$|[;\n&|])`)

export const ARITHMETIC = 'arithmetic'
export const SUBSCRIPT = 'the subscript of an array'
export const VARIABLE_TEST = 'a test for a variable'
const UNCERTAIN_TEST = 'a test that may take it for an operator'
export const EVALUATED_ASSIGNMENT = 'an assignment that bash evaluates'
export const DECLARATION = 'a declaration that bash may evaluate'
export const NAMES = 'words that are names of variables'
export const READ_AS_COMMAND = 'words that are read as a command'
export const FORMAT = 'the options or the format of `printf`'
const OBSCURE_COMMAND = 'the words of a command whose name is not plain'

/**
 * One command of a script as far as it has been read. It says what bash does with the next word: a value may stand there only
 * where that is certain to be taking it as it is (ADR 53).
 */
export class ShellCommand {
  /** those that are complete, without what redirections lead to */
  #words: string[] = []
  #word = ''
  /** the sign of the redirection whose target is being read; '' for other words */
  #redirection = ''
  /** brackets of `name[` that are open */
  #depth = 0
  #isTest: boolean

  /** @param place `test` inside the parentheses of `[[ … ]]`, `list` inside those of `name=( … )` */
  constructor(readonly place: 'command' | 'test' | 'list' = 'command') {
    this.#isTest = place === 'test'
    if (this.#isTest) this.#words = ['(']
  }

  /** Whether `[[` is open. */
  get isTest(): boolean {
    return this.#isTest
  }

  /** Whether what has been read of a word is `name=`, so that a parenthesis begins a list. */
  get beginsList(): boolean {
    return /^[A-Za-z_]\w*(?:\[.*\])?\+?=$/.test(this.#word)
  }

  add(char: string): void {
    const opens = char === '[' && (this.#depth > 0 || this.#canBeSubscript())
    if (opens) this.#depth++
    if (char === ']' && this.#depth > 0) this.#depth--
    this.#append(char)
  }

  /** Quotes do not keep a command from being `let` or `[`, nor `-v` from being what it is; but `]]` they do, and `{a,b}`. */
  addQuoted(char: string): void {
    const isBracket = char === ']' || (char === '[' && this.#word !== '')
    this.#append(isBracket || /[\s{]/.test(char) ? 'x' : char)
  }

  addUnknown(): void {
    this.#append(UNKNOWN)
  }

  addObscure(): void {
    this.#append(OBSCURE)
  }

  /**
   * @param next what ends the word
   * @returns the word; null where a subscript goes on behind it, which only bash can follow
   */
  endWord(next: string): string | null {
    if (this.#depth > 0) return null
    const word = this.#word
    this.#word = ''
    // the number or name of what is redirected is no word of the command
    if (word === '' || (/[<>]/.test(next) && /^(?:\d+|\{.*\})$/.test(word))) return ''
    if (this.#redirection !== '') this.#redirection = ''
    else this.#push(word)
    if (word === '[[') [this.#isTest, this.#words] = [true, ['[[']]
    else if (word === ']]' && this.place !== 'test') this.#isTest = false
    return word
  }

  redirect(sign: string): void {
    if (this.#isTest) this.#push(sign)
    else this.#redirection = sign
  }

  /** @param sign what ended it; inside of `[[ … ]]` it is one more operator */
  endCommand(sign: string): void {
    if (!this.#isTest) {
      this.#words = []
      this.#redirection = ''
    } else if (/[&|]/.test(sign)) this.#push(sign.repeat(2))
    else if (/[()]/.test(sign)) this.#push(sign)
  }

  /** Whether a list may stand here: each of its items is taken as a value is, wherever it stands in the list. */
  takesList(): boolean {
    const command = this.#command().at(0) ?? ''
    return !this.#isTest && this.#redirection === '' && !/^(?:\[|test)$/.test(command)
  }

  /**
   * What the place of a value is; null where bash takes any text as it is.
   * @param after what follows the value
   */
  judge(after: string, script: ScriptTraits): string | null {
    if (this.#depth > 0) return SUBSCRIPT
    if (this.#isTest) return this.#operand(after)
    const words = this.#command()
    const [command = ''] = words
    const assigns = ASSIGNMENT.exec(this.#word)
    if (assigns !== null && SPECIAL.test(assigns[1] ?? '')) return EVALUATED_ASSIGNMENT
    if (this.#redirection !== '') return this.#intoRedirection(words, script.integers)
    if (command === '' && this.place !== 'list' && assigns === null && /[{\u0002]/.test(this.#word))
      return OBSCURE_COMMAND
    if (this.place === 'list' || command === '') {
      return script.integers && (this.place === 'list' || assigns !== null) ? EVALUATED_ASSIGNMENT : null
    }
    return this.#argument(command, words.slice(1), after, script)
  }

  /** A subscript begins behind a name where an assignment may stand, and at the start of a list's word. */
  #canBeSubscript(): boolean {
    return /^\{?[A-Za-z_]\w*$/.test(this.#word) || (this.place === 'list' && this.#word === '')
  }

  /** Of very many words, the first ones and the last. */
  #push(word: string): void {
    if (this.#words.length === MOST_WORDS) this.#words.pop()
    this.#words.push(word)
  }

  #append(char: string): void {
    if (this.#word.length < LONGEST_WORD) this.#word += char === '$' ? UNKNOWN : char
  }

  /** The command and its words, without what may stand before it. */
  #command(): string[] {
    let at = 0
    for (;;) {
      const word = this.#words[at]
      if (word === undefined) return []
      if (word === 'function') at += 2
      else if (ASSIGNMENT.test(word)) at++
      else if (BEFORE_COMMAND.has(word)) {
        at++
        while (WITH_OPTIONS.has(word) && this.#words[at]?.startsWith('-') === true) at++
      } else return this.#words.slice(at)
    }
  }

  #intoRedirection(words: readonly string[], integers: boolean): string | null {
    const [command = '', ...rest] = words
    const isRead = this.#redirection === '<<<' && (READ_IN.has(command) || words.some((word) => SHELLS.test(word)))
    if (isRead) return READ_AS_COMMAND
    if (!TAKE_NAMES.has(command)) return null
    return integers || rest.some((word) => SPECIAL.test(word)) ? EVALUATED_ASSIGNMENT : null
  }

  #argument(command: string, words: readonly string[], after: string, script: ScriptTraits): string | null {
    if (command === 'let') return ARITHMETIC
    if (command === '[' || command === 'test') return this.#operand(after)
    if (command === 'for' || command === 'select') {
      return script.integers || SPECIAL.test(words[0] ?? '') ? EVALUATED_ASSIGNMENT : null
    }
    if (READ_AS_COMMANDS.has(command) || isCommandOfShell([command, ...words])) return READ_AS_COMMAND
    if (TAKE_NAMES.has(command)) return NAMES
    if (DECLARATIONS.has(command)) return this.#declared(words, script)
    if (command === 'printf') return this.#printed(words, script.integers)
    return PLAIN_COMMAND.test(command) ? null : OBSCURE_COMMAND
  }

  #declared(words: readonly string[], script: ScriptTraits): string | null {
    const isPlain = words.every((word) => /^(?:[-+][xrglut]+|--|[A-Za-z_]\w*(?:\+?=[^\u0002{]*)?)$/.test(word))
    if (!isPlain || !/^[A-Za-z_]\w*\+?=/.test(this.#word) || script.arrays) return DECLARATION
    return script.integers ? EVALUATED_ASSIGNMENT : null
  }

  /** Behind the format nothing is an option any more. */
  #printed(words: readonly string[], integers: boolean): string | null {
    const [first, variable] = words
    if (first === '-v') {
      if (variable === undefined) return NAMES
      if (integers || SPECIAL.test(variable)) return EVALUATED_ASSIGNMENT
    }
    const rest = words.slice(first === '-v' ? 2 : 0)
    if (rest[0] === '--') return null
    const mayBeOption = rest[0] === undefined ? /^(?:$|[-{\u0001\u0002])/.test(this.#word) : /^[-{\u0002]/.test(rest[0])
    return mayBeOption ? FORMAT : null
  }

  /** Inside of `[[ … ]]`, `[ … ]` and `test`. */
  #operand(after: string): string | null {
    const folded = after.replaceAll('\\\n', '')
    const last = this.#words.at(-1) ?? ''
    if (last === '-v' || last === '-R') return VARIABLE_TEST
    if (NUMBERS.has(last)) return this.#isTest ? ARITHMETIC : null
    if (/^-|[{\u0002]/.test(this.#word)) return UNCERTAIN_TEST
    if (COMPARED.has(last)) return null
    if (UNARY.test(last) && !(/^-[ao]$/.test(last) && !this.#isTest)) return null
    if (!BEFORE_OPERAND.has(last)) return UNCERTAIN_TEST
    if (COMPARED_AS_NUMBER.test(folded)) return this.#isTest ? ARITHMETIC : null
    return AFTER_OPERAND.test(folded) || (!this.#isTest && END_OF_TEST.test(folded)) ? null : UNCERTAIN_TEST
  }
}

/** Whether the next word is the text behind `bash -c`, also of a shell that another program starts. */
function isCommandOfShell(words: readonly string[]): boolean {
  const shell = words.findIndex((word) => SHELLS.test(word))
  const options = words.slice(shell + 1).filter((_, index, all) => !/^[-+]\w*[oO]$/.test(all[index - 1] ?? ''))
  return shell !== -1 && options.every((word) => /^[-+]/.test(word)) && options.some((word) => /^-\w*c/.test(word))
}
