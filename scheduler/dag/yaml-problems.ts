import type { ErrorCode, YAMLError } from 'yaml'
import { positionAt, type TextProblem } from './guard.js'

interface Sentence {
  message: string
  hint: string
}

const QUOTE_IT = 'put the value in quotes'

const SENTENCES: Partial<Record<ErrorCode, Sentence>> = {
  TAB_AS_INDENT: { message: 'the line is indented with a tab', hint: 'YAML takes spaces only: two for each level' },
  BAD_INDENT: {
    message: 'the indentation does not fit the lines above, or a bracket is not closed',
    hint: 'begin all keys of one map in the same column; close [ and {',
  },
  MISSING_CHAR: { message: 'something is not closed before here', hint: 'close the quote or bracket' },
  MULTILINE_IMPLICIT_KEY: { message: 'a colon is missing after the key', hint: 'write `key: value`' },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'a second colon makes this value look like a map',
    hint: 'put the value in quotes, or begin the inner key on a line of its own',
  },
  BAD_ALIAS: { message: 'a value that begins with * is an alias in YAML', hint: 'put it in quotes: "* * * * *"' },
  BAD_SCALAR_START: { message: 'a value cannot begin with this character', hint: QUOTE_IT },
  BAD_DQ_ESCAPE: {
    message: 'this backslash does not begin an escape of YAML',
    hint: 'use single quotes, or double the backslash',
  },
  KEY_OVER_1024_CHARS: { message: 'a key has more than 1024 characters', hint: 'is a colon or a quote missing?' },
  BLOCK_IN_FLOW: {
    message: 'an indented block cannot stand inside [ ] or { }',
    hint: 'close the bracket, or write the list with dashes',
  },
  MULTIPLE_ANCHORS: { message: 'a value has more than one anchor', hint: 'remove one' },
  MULTIPLE_TAGS: { message: 'a value has more than one tag', hint: 'remove the tags' },
  ALIAS_PROPS: { message: 'an alias cannot have an anchor or a tag', hint: 'remove it' },
  TAG_RESOLVE_FAILED: { message: 'the tag does not fit its value', hint: 'remove the tag' },
}

/** The parser's error as a sentence for people who do not know its words, at the place where they can mend it. */
export function yamlProblem(text: string, error: YAMLError): TextProblem {
  const offset = Math.min(error.pos[0], text.length)
  const position = positionAt(text, offset)
  const known = SENTENCES[error.code]
  if (error.code === 'MISSING_CHAR') return { ...position, ...missing(error.message) }
  if (known !== undefined) return { ...position, ...known }
  return {
    ...position,
    message: `not valid YAML: ${firstLine(error.message)}`,
    hint: 'check quotes, colons and brackets',
  }
}

/** A quote or bracket never closed, or a comma that ended a value before its end. */
function missing(message: string): Sentence {
  if (/^Missing closing/.test(message)) return { message: firstLine(message), hint: 'close it' }
  return {
    message: 'a comma or a colon is missing between the entries of this map or list',
    hint: 'inside { } and [ ] text with a comma, a bracket or a brace stands in quotes',
  }
}

function firstLine(message: string): string {
  const line = message.split('\n', 1)[0] ?? ''
  return line.charAt(0).toLowerCase() + line.slice(1)
}
