import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { Json, JsonSchema } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import { explain, type Finding } from './explain.js'
import { dagSchema } from './schema.js'

/** A compiled schema and what it knows; making one costs tens of milliseconds, using it microseconds. */
export interface Validator {
  schema: JsonSchema
  /** every violation as a sentence; empty when the document is good */
  findings(document: Json): Finding[]
}

const validators = new WeakMap<ReadonlyMap<string, Operator>, Validator>()

/** The validator for a set of operators; compiled at first use and kept. */
export function validatorFor(operators: ReadonlyMap<string, Operator>): Validator {
  const known = validators.get(operators)
  if (known !== undefined) return known
  const schema = dagSchema(operators)
  const validate = compileSchema(schema)
  const validator: Validator = {
    schema,
    findings: (document) => (validate(document) ? [] : explain(document, validate.errors ?? [], operators)),
  }
  validators.set(operators, validator)
  return validator
}

function compileSchema(schema: JsonSchema): ValidateFunction & { errors?: ErrorObject[] | null } {
  // verbose: an explanation needs the schema and the value that clashed
  const ajv = new Ajv2020({
    code: { optimize: false },
    allErrors: true,
    verbose: true,
    strictTypes: false,
    strictRequired: false,
    strictTuples: false,
    // the schema is checked by a test; checking it at each start would cost more than compiling it
    meta: false,
    validateSchema: false,
  })
  formats.default(ajv)
  for (const keyword of annotations(schema)) ajv.addKeyword(keyword)
  return ajv.compile(schema)
}

/** Ajv refuses keywords it does not know, which finds slips in operators' schemas; our own all begin with `x-`. */
function annotations(schema: Json): Set<string> {
  const found = new Set<string>()
  const visit = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(visit)
    else if (value !== null && typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) {
        if (key.startsWith('x-')) found.add(key)
        visit(inner)
      }
    }
  }
  visit(schema)
  return found
}
