import { type Position, positionsIn } from './guard.js'
import { remembered } from './remembered.js'
import { didYouMean } from './suggest.js'
import type { Expression, TemplateFault } from './template-syntax.js'

/**
 * The language of `when`: comparisons and `and`, `or`, `not` over the names that templates know. It is read into the
 * expressions of templates, so both are checked and evaluated by the same code, and nothing is ever compiled.
 *
 *   condition  = all { "or" all }
 *   all        = negation { "and" negation }
 *   negation   = "not" negation | comparison
 *   comparison = value [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in" ) value ]
 *   value      = number | 'text' | "text" | true | false | null | name | helper "(" condition { "," condition } ")"
 *              | "[" condition { "," condition } "]" | "(" condition ")"
 */
export type ParsedCondition = { expression: Expression } | { fault: TemplateFault }

/** Characters of a condition: what a person can still read. */
const LONGEST = 2_000
/** Brackets and `not`s inside one another. */
const DEEPEST = 50

const COMPARISONS: Readonly<Record<string, string>> = {
  '==': 'eq',
  '!=': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
}

/** What other languages write for what is written otherwise here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  '=': 'two values are compared with `==`',
  '===': 'two values are compared with `==`',
  '!==': 'two values are compared with `!=`',
  '<>': 'two values are compared with `!=`',
  '&&': 'write `and`',
  '||': 'write `or`',
  '!': 'write `not`',
}

/** True for the older form of `when`, one template whose value decides: `{{ params.full }}`. */
export function isTemplate(text: string): boolean {
  return text.includes('{{')
}

/** Reads a condition; a fault names line and column inside the text, counted from 1. */
export const parseCondition = remembered((text: string): ParsedCondition => {
  const place = positionsIn(text)
  try {
    if (text.length > LONGEST) throw new Unreadable(0, `a condition has at most ${LONGEST} characters`, 'shorten it')
    return { expression: new Reader(tokensOf(text), place).whole() }
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { fault: { ...place(error.offset), message: error.message, hint: error.hint } }
  }
})

class Unreadable extends Error {
  constructor(
    readonly offset: number,
    message: string,
    readonly hint: string,
  ) {
    super(message)
  }
}

interface Token {
  kind: 'name' | 'number' | 'text' | 'sign' | 'end'
  text: string
  offset: number
}

const TOKEN =
  /\s*(?:(?<name>[A-Za-z_]\w*(?:\.\w+)*)|(?<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])|(?<text>'[^']*'|"[^"]*")|(?<sign>[=!]==|<>|[=!<>]=|&&|\|\||[<>()[\],=!]))/y

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  const end = text.trimEnd().length
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex
    const groups = TOKEN.exec(text)?.groups
    const kind = (['name', 'number', 'text', 'sign'] as const).find((one) => groups?.[one] !== undefined)
    if (groups === undefined || kind === undefined) throw unreadable(text, from)
    const found = groups[kind] ?? ''
    tokens.push({ kind, text: found, offset: TOKEN.lastIndex - found.length })
  }
  return [...tokens, { kind: 'end', text: '', offset: end }]
}

function unreadable(text: string, from: number): Unreadable {
  const offset = from + (text.slice(from).length - text.slice(from).trimStart().length)
  const sign = text.charAt(offset)
  if (sign === "'" || sign === '"')
    return new Unreadable(offset, `the text is not closed by ${sign}`, 'close the quotes')
  return new Unreadable(offset, `\`${text.slice(offset, offset + 10)}\` cannot be read`, EXAMPLE)
}

const EXAMPLE = "write a comparison: params.mode == 'full' and tasks.count.outputs.rows > 0"
const WORDS = ['and', 'or', 'not', 'in']

class Reader {
  #next = 0
  #depth = 0

  constructor(
    readonly tokens: readonly Token[],
    readonly place: (offset: number) => Position,
  ) {}

  whole(): Expression {
    if (this.#peek().kind === 'end') throw new Unreadable(0, 'the condition is empty', EXAMPLE)
    const expression = this.#any()
    const rest = this.#peek()
    if (rest.kind === 'end') return expression
    const hint = ELSEWHERE[rest.text] ?? (didYouMean(rest.text, WORDS) || 'join conditions with `and` or `or`')
    throw new Unreadable(rest.offset, `\`${rest.text}\` was not expected here`, hint)
  }

  #any(): Expression {
    const all = [this.#all()]
    while (this.#take('or')) all.push(this.#all())
    return all.length === 1 ? (all[0] as Expression) : { kind: 'call', helper: 'or', args: all }
  }

  #all(): Expression {
    const all = [this.#negation()]
    while (this.#take('and')) all.push(this.#negation())
    return all.length === 1 ? (all[0] as Expression) : { kind: 'call', helper: 'and', args: all }
  }

  #negation(): Expression {
    if (!this.#take('not')) return this.#comparison()
    return { kind: 'call', helper: 'not', args: [this.#deeper(() => this.#negation())] }
  }

  #comparison(): Expression {
    const left = this.#value()
    const sign = this.#peek()
    const helper = sign.kind === 'sign' ? COMPARISONS[sign.text] : undefined
    if (helper !== undefined) {
      this.#next += 1
      const args = [left, this.#value()]
      const next = this.#peek()
      if (next.kind === 'sign' && COMPARISONS[next.text] !== undefined) {
        throw new Unreadable(next.offset, 'comparisons do not chain', 'write `a < b and b < c`')
      }
      return { kind: 'call', helper, args, ...this.#at(sign) }
    }
    if (this.#take('in')) return { kind: 'call', helper: 'in', args: [left, this.#value()], ...this.#at(sign) }
    if (sign.text !== 'not' || this.tokens[this.#next + 1]?.text !== 'in') return left
    this.#next += 2
    const inside: Expression = { kind: 'call', helper: 'in', args: [left, this.#value()], ...this.#at(sign) }
    return { kind: 'call', helper: 'not', args: [inside] }
  }

  #value(): Expression {
    const token = this.#peek()
    this.#next += 1
    if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) }
    if (token.kind === 'text') return { kind: 'literal', value: token.text.slice(1, -1) }
    if (token.kind === 'name' && !WORDS.includes(token.text)) return this.#named(token)
    if (token.text === '(') return this.#deeper(() => this.#closed(this.#any(), ')'))
    if (token.text === '[') return this.#deeper(() => ({ kind: 'list', items: this.#listed(']') }))
    const what = token.kind === 'end' ? 'the condition ends where a value is missing' : `\`${token.text}\` is no value`
    throw new Unreadable(token.offset, what, ELSEWHERE[token.text] ?? EXAMPLE)
  }

  #named(token: Token): Expression {
    const literal = LITERALS.get(token.text)
    if (literal !== undefined) return { kind: 'literal', value: literal.value }
    if (this.#peek().text !== '(' || this.#peek().kind !== 'sign') {
      return { kind: 'name', parts: token.text.split('.'), ...this.#at(token) }
    }
    this.#next += 1
    return this.#deeper(() => ({
      kind: 'call',
      helper: token.text,
      args: this.#listed(')'),
      called: true,
      ...this.#at(token),
    }))
  }

  #listed(close: string): Expression[] {
    const items: Expression[] = []
    if (this.#take(close)) return items
    do items.push(this.#any())
    while (this.#take(','))
    this.#closed(null, close)
    return items
  }

  #closed<Value>(value: Value, close: string): Value {
    const token = this.#peek()
    if (!this.#take(close)) {
      const what = token.kind === 'end' ? 'the condition ends' : `\`${token.text}\` stands`
      throw new Unreadable(token.offset, `${what} where \`${close}\` is missing`, ELSEWHERE[token.text] ?? '')
    }
    return value
  }

  #deeper<Value>(read: () => Value): Value {
    this.#depth += 1
    if (this.#depth > DEEPEST) {
      throw new Unreadable(this.#peek().offset, `brackets nest more than ${DEEPEST} deep`, 'split the condition')
    }
    const value = read()
    this.#depth -= 1
    return value
  }

  #take(text: string): boolean {
    const token = this.#peek()
    if (token.text !== text || token.kind === 'text') return false
    this.#next += 1
    return true
  }

  #peek(): Token {
    return this.tokens[this.#next] ?? { kind: 'end', text: '', offset: 0 }
  }

  #at(token: Token): { at: Position & { source: string } } {
    return { at: { ...this.place(token.offset), source: token.text } }
  }
}

const LITERALS = new Map([
  ['true', { value: true }],
  ['false', { value: false }],
  ['null', { value: null }],
])
