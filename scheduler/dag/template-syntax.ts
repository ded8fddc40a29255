import Handlebars from 'handlebars'
import type { Json } from '../../json.js'
import { positionsIn } from './guard.js'
import { remembered } from './remembered.js'

/** Where a part of a condition stands and how it is written; templates are told by their braces. */
export interface ExpressionPlace {
  line: number
  column: number
  source: string
}

/** What stands between `{{` and `}}`, or in a condition (condition.ts). */
export type Expression =
  | { kind: 'literal'; value: Json }
  | { kind: 'name'; parts: readonly string[]; at?: ExpressionPlace }
  | { kind: 'list'; items: readonly Expression[] }
  | { kind: 'call'; helper: string; args: readonly Expression[]; called?: true; at?: ExpressionPlace }

export type TemplatePart =
  | { kind: 'text'; text: string }
  | {
      kind: 'expression'
      expression: Expression
      /** as written, for messages: `{{ params.country }}` */
      source: string
      /** line and column inside the template, counted from 1 */
      line: number
      column: number
    }

export interface TemplateFault {
  line: number
  column: number
  message: string
  hint: string
}

const ONLY_VALUES = 'a template here gives one value: `{{ name }}` or `{{helper name}}`'
/** Characters between the braces; also bounds what the parser below costs, which grows with the square. */
const LONGEST_EXPRESSION = 500

/** An instance of its own: nothing that anyone registers elsewhere is known here. */
const handlebars = Handlebars.create()

class Refused extends Error {
  constructor(
    message: string,
    readonly hint: string = ONLY_VALUES,
  ) {
    super(message)
  }
}

/**
 * Splits a text into literal parts and expressions. Handlebars reads the expressions; only values are taken from it:
 * blocks, partials, raw output, comments and access to parents or data are faults. Nothing is ever compiled to code.
 * As in Handlebars, `\{{` stands for braces as they are, and `\\{{` for a backslash before a template.
 */
export function parseTemplate(text: string): { parts: TemplatePart[] } | { fault: TemplateFault } {
  const parts: TemplatePart[] = []
  const place = text.includes('{{') ? positionsIn(text) : null
  let literal = ''
  let at = 0
  for (let open = text.indexOf('{{'); open !== -1; open = text.indexOf('{{', at)) {
    const before = text.slice(at, open)
    const isEscaped = before.endsWith('\\') && !before.endsWith('\\\\')
    literal += before.endsWith('\\') ? before.slice(0, -1) : before
    if (isEscaped) {
      literal += '{{'
      at = open + 2
      continue
    }
    const position = place?.(open) ?? { line: 1, column: 1 }
    try {
      const source = expressionAt(text, open)
      if (literal !== '') parts.push({ kind: 'text', text: literal })
      parts.push({ kind: 'expression', expression: parsedExpression(source), source, ...position })
      literal = ''
      at = open + source.length
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return { fault: { ...position, message: error.message, hint: error.hint } }
    }
  }
  literal += text.slice(at)
  if (literal !== '' || parts.length === 0) parts.push({ kind: 'text', text: literal })
  return { parts }
}

/** What stands from the braces at `open` to those that close them; braces in quotes do not. */
function expressionAt(text: string, open: number): string {
  const piece = text.slice(open, open + LONGEST_EXPRESSION)
  const kind = Object.entries(OTHER_KINDS).find(([begin]) => piece.startsWith(begin, 2))
  if (kind !== undefined) throw new Refused(`${kind[1]} is not available`)
  const whole = /^\{\{(?:"[^"]*"|'[^']*'|[^"'}]|\}(?!\}))*\}\}/.exec(piece)?.[0]
  if (whole === undefined) throw new Refused('the template cannot be read', syntaxHint(piece))
  if (/~\}\}$/.test(whole)) throw new Refused(`${OTHER_KINDS['~']} is not available`)
  return whole
}

const OTHER_KINDS: Record<string, string> = {
  '{': 'raw output (`{{{ }}}`)',
  '&': 'raw output (`{{& }}`)',
  '#': 'a block (`{{#…}}`)',
  '/': 'a block (`{{/…}}`)',
  '^': 'a block (`{{^…}}`)',
  '>': 'a partial (`{{> }}`)',
  '!': 'a template comment (`{{! }}`)',
  '*': 'a decorator',
  '~': 'whitespace control (`~`)',
}

/** The same few expressions stand in many places. */
const parsedExpression = remembered((source: string): Expression => {
  let program: hbs.AST.Program
  try {
    program = handlebars.parseWithoutProcessing(source)
  } catch {
    // what Handlebars says about it is a drawing of its tokens
    throw new Refused('the template cannot be read', syntaxHint(source))
  }
  const [statement] = program.body
  if (statement === undefined || !isMustache(statement))
    throw new Refused('the template cannot be read', syntaxHint(source))
  return callOrName(statement)
})

function isMustache(node: hbs.AST.Statement): node is hbs.AST.MustacheStatement {
  return node.type === 'MustacheStatement'
}

function syntaxHint(source: string): string {
  if (/\{\{[^}]*\|/.test(source))
    return 'filters (`| name`) are of Jinja; helpers come first: `{{date interval.start}}`'
  return 'is a brace missing, or a name misspelt? To write braces as they are: `\\{{`'
}

function callOrName(node: hbs.AST.MustacheStatement | hbs.AST.SubExpression): Expression {
  if (node.hash !== undefined && node.hash.pairs.length > 0)
    throw new Refused('`key=value` arguments are not available')
  if (node.params.length === 0) return expressionOf(node.path)
  const helper = expressionOf(node.path)
  if (helper.kind !== 'name' || helper.parts.length !== 1) throw new Refused('what comes first must be a helper')
  return { kind: 'call', helper: helper.parts[0] ?? '', args: node.params.map(expressionOf) }
}

function expressionOf(node: hbs.AST.Expression): Expression {
  switch (node.type) {
    case 'StringLiteral':
    case 'NumberLiteral':
    case 'BooleanLiteral':
      return { kind: 'literal', value: (node as hbs.AST.StringLiteral).value }
    case 'NullLiteral':
      return { kind: 'literal', value: null }
    case 'SubExpression':
      return callOrName(node as hbs.AST.SubExpression)
    case 'PathExpression':
      return nameOf(node as hbs.AST.PathExpression)
    default:
      throw new Refused(`${node.type} is not available`)
  }
}

function nameOf(node: hbs.AST.PathExpression): Expression {
  if (node.data) throw new Refused('`@` names are not available')
  const parts = node.parts.filter((part): part is string => typeof part === 'string')
  if (node.depth > 0 || /(^|\/)\.\.?(\/|$)|^this\b/.test(node.original) || parts.length !== node.parts.length) {
    throw new Refused('`this` and `..` are not available')
  }
  return { kind: 'name', parts }
}
