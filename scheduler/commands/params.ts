import type { JsonObject } from '../../json.js'
import type { ParamSpec } from '../dag/model.js'
import { resolveParams } from '../dag/params.js'

/**
 * The parameters of a run by hand, checked against what the DAG declares: types, `enum`, bounds, pattern, missing and
 * unknown names. One problem per field, each a sentence that a form can show beside it.
 */
export function validateParams(
  specs: Readonly<Record<string, ParamSpec>>,
  given: JsonObject,
): { params: JsonObject } | { problems: { name: string; message: string }[] } {
  const resolved = resolveParams(specs, given)
  if ('params' in resolved) return resolved
  return {
    problems: resolved.problems.map(({ param, message, hint }) => ({
      name: param,
      message: `${message.charAt(0).toUpperCase()}${message.slice(1)}${hint === '' ? '.' : `: ${hint}${hint.endsWith('?') ? '' : '.'}`}`,
    })),
  }
}
