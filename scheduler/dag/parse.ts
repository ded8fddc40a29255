import type * as Yaml from 'yaml'
import { LIMITS, type Position, positionAt, positionsIn, type TextProblem } from './guard.js'
import { type Path, type Tree, treeOf } from './tree.js'
import { Composer, CST, Lexer, Parser, Schema } from './yaml-library.js'
import { yamlProblem } from './yaml-problems.js'

/** A document that is good YAML, as plain JSON with a way back to the places in the text. */
export interface ParsedYaml extends Tree {
  text: string
  /** where the value (or, with `key`, the key) at `path` stands; the nearest parent when the path does not exist */
  position(path: Path, at: 'key' | 'value'): Position
}

/** Thrown inside this file to leave the token loop; never escapes. */
class Refused extends Error {
  constructor(
    readonly offset: number,
    readonly sentence: string,
    readonly hint: string,
  ) {
    super(sentence)
  }
}

/** One for all documents: making it takes longer than a short document does. Only tags outside `CORE_TAGS` would change it. */
const SCHEMA = new Schema({ schema: 'core', merge: false })
const CORE_TAGS = new Set(['!!str', '!!int', '!!float', '!!bool', '!!null', '!!map', '!!seq'])

/**
 * Parses one YAML 1.2 document (core schema: `no` is a string). Nothing is built for a text that nests too deeply, holds
 * several documents, directives, unknown tags or too many aliases.
 */
export function parseYaml(text: string): { yaml: ParsedYaml } | { problems: TextProblem[] } {
  let document: Yaml.Document.Parsed | null
  try {
    document = compose(text)
    if (document === null) return { problems: [atStart('the file is empty', 'a DAG needs `dag:` and `tasks:`')] }
    if (document.errors.length > 0) return { problems: syntaxProblems(text, document.errors) }
    const tree = treeOf(document, (offset, message, hint) => new Refused(offset, message, hint))
    const problems = tree.problems.map((found) => ({ ...positionAt(text, found.offset), ...sentence(found) }))
    if (problems.length > 0) return { problems: problems.slice(0, LIMITS.problems) }
    const positionOf = positionsIn(text)
    return { yaml: { ...tree, text, position: (path, at) => positionOf(tree.offset(path, at)) } }
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { problems: [{ ...positionAt(text, error.offset), message: error.sentence, hint: error.hint }] }
  }
}

function sentence(found: { message: string; hint: string }): { message: string; hint: string } {
  return { message: found.message, hint: found.hint }
}

function atStart(message: string, hint: string): TextProblem {
  return { line: 1, column: 1, message, hint }
}

/** Lexer, parser and composer of `yaml`, with our limits checked on each token before anything is built from it. */
function compose(text: string): Yaml.Document.Parsed | null {
  const parser = new Parser()
  const composer = new Composer({ version: '1.2', schema: SCHEMA, uniqueKeys: false, prettyErrors: false })
  const documents: Yaml.Document.Parsed[] = []
  let started = 0
  const take = (token: Yaml.CST.Token): void => {
    if (token.type === 'directive')
      throw new Refused(token.offset, 'YAML directives are not used here', 'remove the line')
    if (token.type === 'document' && ++started > 1) {
      throw new Refused(token.offset, 'the file holds more than one YAML document', 'write one DAG per file')
    }
    documents.push(...composer.next(token))
  }
  const guard = tokenGuard(parser)
  for (const lexeme of new Lexer().lex(text)) {
    guard(lexeme)
    for (const token of parser.next(lexeme)) take(token)
  }
  for (const token of parser.end()) take(token)
  documents.push(...composer.end())
  return documents[0] ?? null
}

function tokenGuard(parser: Yaml.Parser): (lexeme: string) => void {
  let aliases = 0
  let tokens = 0
  let afterScalarMark = false
  return (lexeme) => {
    if (parser.stack.length > LIMITS.nesting) {
      throw new Refused(
        parser.offset,
        `maps and lists nest more than ${LIMITS.nesting} levels deep here`,
        'flatten them',
      )
    }
    if (++tokens > LIMITS.tokens) {
      throw new Refused(
        parser.offset,
        'the file has more words and signs up to here than a DAG may have',
        'split the DAG',
      )
    }
    const content = afterScalarMark
    afterScalarMark = lexeme === CST.SCALAR
    if (content) return
    if (lexeme[0] === '*' && ++aliases > LIMITS.aliases) {
      throw new Refused(parser.offset, `the file uses more than ${LIMITS.aliases} aliases`, 'write the values out')
    }
    if (lexeme[0] === '!' && !CORE_TAGS.has(lexeme)) {
      throw new Refused(
        parser.offset,
        `the tag \`${lexeme.slice(0, 40)}\` is not known`,
        'put text that begins with ! in quotes',
      )
    }
  }
}

/** Each place once: what the parser says after its first word about a place is an echo. */
function syntaxProblems(text: string, errors: readonly Yaml.YAMLError[]): TextProblem[] {
  const byLine = new Map<number, TextProblem>()
  for (const error of errors.slice(0, LIMITS.problems)) {
    const problem = yamlProblem(text, error)
    if (!byLine.has(problem.line)) byLine.set(problem.line, problem)
  }
  return [...byLine.values()]
}
