import Handlebars from 'handlebars'
import type { Json } from '../../json.js'

/** What stands between `{{` and `}}`. */
export type Expression =
  | { kind: 'literal'; value: Json }
  | { kind: 'name'; parts: readonly string[] }
  | { kind: 'call'; helper: string; args: readonly Expression[] }

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

/** An instance of its own: nothing that anyone registers elsewhere is known here. */
const handlebars = Handlebars.create()

class Unsupported extends Error {
  constructor(
    readonly node: hbs.AST.Node,
    message: string,
  ) {
    super(message)
  }
}

/**
 * Splits a text into literal parts and expressions. Handlebars reads the syntax; only values are taken from it: blocks,
 * partials, raw output, comments and access to parents or data are faults. Nothing is ever compiled to code.
 */
export function parseTemplate(text: string): { parts: TemplatePart[] } | { fault: TemplateFault } {
  if (!text.includes('{{')) return { parts: [{ kind: 'text', text }] }
  try {
    const lines = text.split('\n')
    // without whitespace control: what is around a template stays as it is
    const program = handlebars.parseWithoutProcessing(text)
    return { parts: program.body.map((statement) => partOf(statement, lines)) }
  } catch (error) {
    if (error instanceof Unsupported)
      return { fault: { ...place(error.node), message: error.message, hint: ONLY_VALUES } }
    return { fault: syntaxFault(text, error) }
  }
}

function partOf(statement: hbs.AST.Statement, lines: readonly string[]): TemplatePart {
  if (isContent(statement)) return { kind: 'text', text: statement.value }
  if (!isMustache(statement)) throw new Unsupported(statement, `${blockName(statement)} is not available`)
  if (!statement.escaped) throw new Unsupported(statement, 'raw output (`{{{ }}}` or `{{& }}`) is not available')
  const source = sourceOf(statement, lines)
  if (/^\{\{~|~\}\}$/.test(source)) throw new Unsupported(statement, 'whitespace control (`~`) is not available')
  const expression = callOrName(statement)
  return { kind: 'expression', expression, source, ...place(statement) }
}

function callOrName(node: hbs.AST.MustacheStatement | hbs.AST.SubExpression): Expression {
  if (node.hash !== undefined && node.hash.pairs.length > 0)
    throw new Unsupported(node, '`key=value` arguments are not available')
  if (node.params.length === 0) return expressionOf(node.path)
  const helper = expressionOf(node.path)
  if (helper.kind !== 'name' || helper.parts.length !== 1)
    throw new Unsupported(node, 'what comes first must be a helper')
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
      throw new Unsupported(node, `${node.type} is not available`)
  }
}

function nameOf(node: hbs.AST.PathExpression): Expression {
  if (node.data) throw new Unsupported(node, '`@` names are not available')
  const parts = node.parts.filter((part): part is string => typeof part === 'string')
  if (node.depth > 0 || /(^|\/)\.\.?(\/|$)|^this\b/.test(node.original) || parts.length !== node.parts.length) {
    throw new Unsupported(node, '`this` and `..` are not available')
  }
  return { kind: 'name', parts }
}

function isContent(node: hbs.AST.Statement): node is hbs.AST.ContentStatement {
  return node.type === 'ContentStatement'
}

function isMustache(node: hbs.AST.Statement): node is hbs.AST.MustacheStatement {
  return node.type === 'MustacheStatement'
}

const BLOCKS: Record<string, string> = {
  BlockStatement: 'a block (`{{#…}}`)',
  PartialStatement: 'a partial (`{{> }}`)',
  PartialBlockStatement: 'a partial (`{{#> }}`)',
  DecoratorBlock: 'a decorator',
  Decorator: 'a decorator',
  CommentStatement: 'a template comment (`{{! }}`)',
}

function blockName(node: hbs.AST.Statement): string {
  return BLOCKS[node.type] ?? node.type
}

function place(node: hbs.AST.Node): { line: number; column: number } {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 }
}

function sourceOf(node: hbs.AST.Node, lines: readonly string[]): string {
  const { start, end } = node.loc
  if (start.line !== end.line) return '{{ … }}'
  return (lines[start.line - 1] ?? '').slice(start.column, end.column)
}

function syntaxFault(text: string, error: unknown): TemplateFault {
  const line = Number(/on line (\d+)/.exec(error instanceof Error ? error.message : '')?.[1] ?? 1)
  const source = text.split('\n')[line - 1] ?? ''
  const hint = /\{\{[^}]*\|/.test(source)
    ? 'filters (`| name`) are of Jinja; helpers come first: `{{date interval.start}}`'
    : 'is a brace missing, or a name misspelt? To write braces as they are: `\\{{`'
  return { line, column: Math.max(1, source.indexOf('{{') + 1), message: 'the template cannot be read', hint }
}
