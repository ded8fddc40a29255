import { SluiceError } from '../errors.js'
import type { Json } from '../json.js'

/**
 * Turns `--param name=value` into the values a trigger takes. Text becomes what the DAG declares for the name; text that
 * does not fit, and names the DAG does not know, are passed on as they are, so that one place refuses them all.
 * @param specs `params` of the DAG
 * @throws SluiceError WRONG_USE for text without `=` and for a name given twice
 */
export function readParams(pairs: readonly string[], specs: Record<string, unknown>): Record<string, Json> {
  const params: Record<string, Json> = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at < 1) throw new SluiceError('WRONG_USE', `--param takes name=value, not \`${pair}\`.`)
    const name = pair.slice(0, at)
    if (Object.hasOwn(params, name)) throw new SluiceError('WRONG_USE', `--param ${name} is given twice.`)
    Object.defineProperty(params, name, { value: typed(pair.slice(at + 1), specs[name]), enumerable: true })
  }
  return params
}

function typed(text: string, spec: unknown): Json {
  const { type, items } = (spec ?? {}) as { type?: string; items?: string }
  if (type === 'array') return text === '' ? [] : text.split(',').map((item) => scalar(item.trim(), items))
  return scalar(text, type)
}

function scalar(text: string, type: string | undefined): Json {
  if ((type === 'integer' || type === 'number') && /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text))
    return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}
