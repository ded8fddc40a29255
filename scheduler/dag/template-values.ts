import type { Json } from '../../json.js'
import { Identifier, type TemplateValue } from './template-helpers.js'
import type { TemplateMode } from './template-place.js'

/**
 * Writes a value where a template stood: in SQL a literal, in a shell one quoted word, elsewhere plain text.
 * @throws Error with the rest of a sentence that begins with the template
 */
export function written(value: TemplateValue, mode: TemplateMode): string {
  if (mode === 'sql') return value instanceof Identifier ? sqlIdentifier(value) : sqlLiteral(value)
  const plain = value instanceof Identifier ? value.parts.join('.') : plainText(value)
  if (mode !== 'shell') return plain
  return Array.isArray(value) ? value.map((item) => shellWord(plainText(item))).join(' ') : shellWord(plain)
}

function plainText(value: Json): string {
  if (value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function shellWord(text: string): string {
  if (text.includes('\0')) throw new Error('holds a NUL byte, which no argument of a program can')
  return `'${text.replaceAll("'", "'\\''")}'`
}

function sqlIdentifier(identifier: Identifier): string {
  return identifier.parts.map((part) => quoted(part, '"')).join('.')
}

function sqlLiteral(value: Json): string {
  if (value === null) return 'NULL'
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE'
  // a bare minus after another one would begin a comment
  if (typeof value === 'number') return value < 0 || Object.is(value, -0) ? `(${value})` : String(value)
  if (typeof value === 'string') return quoted(value, "'")
  if (!Array.isArray(value)) throw new Error('is a map, which is no SQL value; name one of its entries, or use `json`')
  if (value.some((item) => typeof item === 'object' && item !== null)) {
    throw new Error('is a list of lists or maps, which is no SQL value; use `json`')
  }
  // IN () is not SQL; nothing equals NULL
  return value.length === 0 ? '(NULL)' : `(${value.map(sqlLiteral).join(', ')})`
}

function quoted(text: string, quote: string): string {
  if (text.includes('\0')) throw new Error('holds a NUL byte, which no SQL text can')
  return `${quote}${text.replaceAll(quote, quote + quote)}${quote}`
}
