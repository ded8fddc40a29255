import type { Json } from '../json.js'

const STRING_OR_NUMBER = /"(?:[^"\\]+|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/**
 * `JSON.parse` that loses no digit of an integer: one beyond 2^53 (an id, most often) comes as a string.
 * @throws SyntaxError
 */
export function parseJson(text: string): Json {
  // Cheap and usual: without a number this long nothing can be lost.
  if (!/\d{16}/.test(text)) return JSON.parse(text) as Json
  return JSON.parse(text.replace(STRING_OR_NUMBER, quoteUnsafe)) as Json
}

function quoteUnsafe(token: string): string {
  return /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token
}
