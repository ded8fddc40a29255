import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { _, Ajv2020, type KeywordDefinition, type Options, type ValidateFunction } from 'ajv/dist/2020.js'
import standaloneCode from 'ajv/dist/standalone/index.js'
import formats from 'ajv-formats'
import type { Json, JsonSchema } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import { processEntry } from '../../package-root.js'
import { defaultsFileSchema } from './defaults-files.js'
import { explain, type Finding } from './explain.js'
import { dagSchema } from './schema.js'

/** A compiled schema and what it knows; making one costs tens of milliseconds, using it microseconds. */
export interface Validator {
  schema: JsonSchema
  /** every violation as a sentence; empty when the document is good */
  findings(document: Json): Finding[]
  /** the same for a file of defaults */
  findingsInDefaults(document: Json): Finding[]
}

const validators = new WeakMap<ReadonlyMap<string, Operator>, Validator>()

/** The validator for a set of operators; compiled at first use and kept. */
export function validatorFor(operators: ReadonlyMap<string, Operator>): Validator {
  const known = validators.get(operators)
  if (known !== undefined) return known
  const schema = dagSchema(operators)
  // Nearly every file is good, and whether it is can be said without saying all that is wrong with it.
  const counting = countingKeys(schema)
  const isGood = compiledAtBuild(counting) ?? compileSchema(counting, QUICK)
  let validate: ValidateFunction | null = null
  let validateDefaults: ValidateFunction | null = null
  const validator: Validator = {
    schema,
    findings: (document) => {
      if (isGood(document)) return []
      // verbose: an explanation needs the schema and the value that clashed
      validate ??= compileSchema(choosingKeys(schema), { allErrors: true, verbose: true })
      validate(document)
      return explain(document, validate.errors ?? [], operators)
    },
    findingsInDefaults: (document) => {
      validateDefaults ??= compileSchema(defaultsFileSchema(schema), { allErrors: true, verbose: true })
      if (validateDefaults(document)) return []
      return explain(document, validateDefaults.errors ?? [], operators)
    },
  }
  validators.set(operators, validator)
  return validator
}

/**
 * The same schema for documents in which templates are written out: a task without an operator may not hope for one any
 * more.
 */
function choosingKeys(schema: JsonSchema): JsonSchema {
  const copy = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(copy)
    if (value === null || typeof value !== 'object') return value
    const result = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copy(inner)]))
    const keys = value['x-one-of-keys']
    return Array.isArray(keys) ? { ...result, oneOf: keys.map((key) => ({ required: [key] })) } : result
  }
  return copy(schema) as JsonSchema
}

/**
 * The same schema with each choice of exactly one key (`x-one-of-keys`) left to a count. As a `oneOf` the operators of a
 * task are tried one after the other, and each that is not there makes an error for nothing.
 */
function countingKeys(schema: JsonSchema): JsonSchema {
  const copy = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(copy)
    if (value === null || typeof value !== 'object') return value
    const entries = Object.entries(value).filter(([key]) => key !== 'oneOf' || value['x-one-of-keys'] === undefined)
    return Object.fromEntries(entries.map(([key, inner]) => [key, copy(inner)]))
  }
  return copy(schema) as JsonSchema
}

const COUNT_OF_KEYS: KeywordDefinition = {
  keyword: 'x-one-of-keys',
  type: 'object',
  errors: false,
  // as code, so that it can be written to a file
  code: (context) => {
    const { data, gen, schema } = context
    const count = gen.let('count', _`0`)
    for (const key of schema as string[])
      gen.if(_`Object.prototype.hasOwnProperty.call(${data}, ${key})`, () => gen.code(_`${count}++`))
    context.pass(_`${count} === 1`)
  },
}

const QUICK: Options = { messages: false, keywords: [COUNT_OF_KEYS] }

/** The file that the build writes the judging of good files to: compiling the schema costs more than most commands. */
const BUILT = processEntry('scheduler/dag/is-good-dag.cjs')

/** What the build has compiled, when it was made of this very schema. */
function compiledAtBuild(schema: JsonSchema): ((document: Json) => boolean) | null {
  if (!existsSync(BUILT)) return null
  const built = createRequire(import.meta.url)(BUILT) as { schema: string; validate: (document: Json) => boolean }
  return built.schema === hashOf(schema) ? built.validate : null
}

/** For the build: the code of a module whose `validate` says whether a document is a good DAG file. */
export function goodDagModule(operators: ReadonlyMap<string, Operator>): string {
  const schema = countingKeys(dagSchema(operators))
  const ajv = instance(schema, { ...QUICK, code: { source: true, optimize: 2 } })
  return `${standaloneCode.default(ajv, ajv.compile(schema))}\nmodule.exports.validate = module.exports\nmodule.exports.schema = '${hashOf(schema)}'\n`
}

function hashOf(schema: JsonSchema): string {
  return createHash('sha256').update(JSON.stringify(schema)).digest('hex')
}

function compileSchema(schema: JsonSchema, options: Options): ValidateFunction {
  return instance(schema, options).compile(schema)
}

function instance(schema: JsonSchema, options: Options): Ajv2020 {
  const ajv = new Ajv2020({
    code: { optimize: false },
    ...options,
    strictTypes: false,
    strictRequired: false,
    strictTuples: false,
    // the schema is checked by a test; checking it at each start would cost more than compiling it
    meta: false,
    validateSchema: false,
  })
  formats.default(ajv)
  for (const keyword of annotations(schema)) if (ajv.getKeyword(keyword) === false) ajv.addKeyword(keyword)
  return ajv
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
