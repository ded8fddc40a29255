import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import { parseJson } from '../json-text.js'
import { DEFAULT_STATUS } from './config.js'
import type { HttpAnswer } from './exchange.js'

type Expected = number | string | (number | string)[]

/** Whether a status is `expected`: a number, a range such as `200-299`, or a list of them. */
export function isExpectedStatus(status: number, expected: Expected = DEFAULT_STATUS): boolean {
  if (Array.isArray(expected)) return expected.some((entry) => isExpectedStatus(status, entry))
  if (typeof expected === 'number') return status === expected
  const [from, to] = expected.split('-').map(Number)
  return from !== undefined && to !== undefined && status >= from && status <= to
}

/**
 * The values that JSON pointers find in an answer.
 * @throws SluiceError OUTPUTS_INVALID when the answer is not JSON or a pointer finds nothing
 */
export function outputsOf(answer: HttpAnswer, pointers: Record<string, string>): JsonObject {
  if (Object.keys(pointers).length === 0) return {}
  const document = documentOf(answer)
  return Object.fromEntries(
    Object.entries(pointers).map(([name, pointer]) => {
      const value = resolvePointer(document, pointer)
      if (value !== undefined) return [name, value]
      const message = `outputs.${name}: the answer holds nothing at ${pointer}.`
      throw new SluiceError('OUTPUTS_INVALID', message, { hint: 'Compare the pointer with the answer.' })
    }),
  )
}

/** RFC 6901; undefined when the pointer leads nowhere. */
export function resolvePointer(document: Json, pointer: string): Json | undefined {
  let value: Json | undefined = document
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(value)) value = /^(0|[1-9]\d*)$/.test(key) ? value[Number(key)] : undefined
    else if (value !== null && typeof value === 'object') value = Object.hasOwn(value, key) ? value[key] : undefined
    else return undefined
  }
  return value
}

/** Longer than a line of the log, which is cut after secrets are masked: half of one would not be known. */
const EXCERPT_CHARACTERS = 32_000

/** The beginning of an answer for the log, in whole lines; '' when it has none or is not text. */
export function excerpt(answer: HttpAnswer): string {
  const type = answer.headers['content-type'] ?? 'text/plain'
  if (!/text|json|xml|javascript|urlencoded/.test(type)) return ''
  const text = answer.body.toString('utf8').trim()
  if (text.length <= EXCERPT_CHARACTERS) return text
  const end = text.lastIndexOf('\n', EXCERPT_CHARACTERS)
  return text.slice(0, end === -1 ? EXCERPT_CHARACTERS : end)
}

function documentOf(answer: HttpAnswer): Json {
  try {
    return parseJson(answer.body.toString('utf8'))
  } catch (error) {
    const type = answer.headers['content-type'] ?? 'no content type'
    throw new SluiceError('OUTPUTS_INVALID', `outputs: the answer (${type}) is not JSON.`, {
      cause: error,
      hint: 'Remove `outputs`, or ask the service for JSON.',
    })
  }
}
