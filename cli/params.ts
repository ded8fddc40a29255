import { SluiceError } from '../errors.js'
import type { Json } from '../json.js'
import type { ParamSpec } from '../scheduler/dag/model.js'
import { paramFromText } from '../scheduler/dag/params.js'

/**
 * Turns `--param name=value` into the values a trigger takes. Text becomes what the DAG declares for the name; text that
 * does not fit, and names the DAG does not know, are passed on as they are, so that one place refuses them all.
 * @param specs `params` of the DAG
 * @throws SluiceError WRONG_USE for text without `=` and for a name given twice
 */
export function readParams(pairs: readonly string[], specs: Record<string, ParamSpec>): Record<string, Json> {
  const params: Record<string, Json> = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at < 1) throw new SluiceError('WRONG_USE', `--param takes name=value, not \`${pair}\`.`)
    const name = pair.slice(0, at)
    if (Object.hasOwn(params, name)) throw new SluiceError('WRONG_USE', `--param ${name} is given twice.`)
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined
    const text = pair.slice(at + 1)
    // Not `params[name] =`: a name such as __proto__ must stay a name.
    Object.defineProperty(params, name, { value: spec ? paramFromText(spec, text) : text, enumerable: true })
  }
  return params
}
