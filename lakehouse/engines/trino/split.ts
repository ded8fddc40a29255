/**
 * Splits a list at its commas, up to the bracket that closes it or to the end; brackets and quotes inside are left whole.
 * @returns the parts without blanks around them, and what follows the closing bracket
 */
export function splitTopLevel(text: string): { parts: string[]; rest: string } {
  const parts: string[] = []
  let depth = 0
  let quote = ''
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ''
    if (quote !== '') quote = character === quote ? '' : quote
    else if (character === '"' || character === "'") quote = character
    else if (character === '(' || character === '[') depth++
    else if (character === ')' && depth === 0) {
      return { parts: [...parts, text.slice(start, at).trim()], rest: text.slice(at + 1) }
    } else if (character === ')' || character === ']') depth--
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  return { parts: [...parts, text.slice(start).trim()], rest: '' }
}
