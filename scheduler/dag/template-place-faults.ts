import type { TemplateMode } from './template-place.js'
import {
  ARITHMETIC,
  DECLARATION,
  EVALUATED_ASSIGNMENT,
  FORMAT,
  NAMES,
  READ_AS_COMMAND,
  SUBSCRIPT,
  VARIABLE_TEST,
} from './template-shell-command.js'

const NUMBERS_ONLY = 'and use that only after `[ "$x" -eq "$x" ]`, which takes nothing but numbers'

/** What to write where bash evaluates a text: a command in it runs, also when the text comes by a variable. */
const EVALUATED = new Map([
  [ARITHMETIC, `assign it to a variable first (\`x={{ … }}\`), ${NUMBERS_ONLY}`],
  [SUBSCRIPT, `assign it to a variable first (\`x={{ … }}\`), ${NUMBERS_ONLY}`],
  [VARIABLE_TEST, 'write the name of the variable out'],
  [EVALUATED_ASSIGNMENT, `give it to the command by \`env: { x: "{{ … }}" }\`, ${NUMBERS_ONLY}`],
  [DECLARATION, 'assign it behind the declaration: `x={{ … }}`'],
  [NAMES, 'write the name of the variable out, and give it the value by `x={{ … }}`'],
  [READ_AS_COMMAND, 'write the command out, and give it the value as a word: `bash -c \'echo "$1"\' _ {{ … }}`'],
  [FORMAT, "write the format out: `printf '%s' {{ … }}`"],
])

/** A value that stands where it may not, and what to write instead. */
export function insideFault(source: string, inside: string, mode: TemplateMode): { message: string; hint: string } {
  const message = `${source} stands inside ${inside}`
  if (inside.endsWith('quotes') && inside !== 'dollar quotes') {
    const written = mode === 'sql' ? 'a quoted literal' : 'a quoted word'
    return { message, hint: `drop the quotes: a template becomes ${written} by itself` }
  }
  if (inside === 'a comment') return { message, hint: 'take the braces away; nothing is rendered in comments' }
  if (mode === 'sql') return { message, hint: 'move it out' }
  return { message, hint: EVALUATED.get(inside) ?? 'assign it to a variable first (`x={{ … }}`), and use "$x" there' }
}

/** A value that might stand in quotes or not: better to say so than to write it wrongly. */
export function lostFault(source: string, after: string, mode: TemplateMode): { message: string; hint: string } {
  const message = `${source} stands after ${after}, from where on it is not certain what is quoted`
  if (mode === 'sql') return { message, hint: 'take that away, or put it behind the last template' }
  return { message, hint: `give it to the command by \`env: { X: "${source}" }\`, and write "$X" there` }
}
