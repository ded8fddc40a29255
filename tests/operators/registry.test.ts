import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Json, JsonObject, JsonSchema } from '../../json.js'
import { operators } from '../../operators/index.js'
import type { Operator } from '../../operators/operator.js'
import { importsOf, sourceText } from '../source-files.js'

const ajv = new Ajv2020({ strict: false, allErrors: true })
const all = [...operators.values()].map((operator) => [operator.type, operator] as const)

/** Problems of a value in the long form of an operator's configuration. */
function problems(operator: Operator, config: Json): string[] {
  ajv.validate(operator.schema, config)
  return (ajv.errors ?? []).map((error) => `${error.instancePath} ${error.message}`)
}

/** What stands below an operator's key, in the long form. */
function longForm(operator: Operator, value: Json): Json {
  const isShort = operator.shortSchema !== undefined && ajv.validate(operator.shortSchema, value)
  return isShort && operator.longForm !== undefined ? operator.longForm(value) : value
}

/** Every schema inside a schema that describes a value, with its place. */
function schemasIn(schema: JsonSchema, place = ''): [string, JsonSchema][] {
  const children: [string, Json | undefined][] = [
    ...Object.entries((schema.properties ?? {}) as JsonObject),
    ['[]', schema.items],
    ['{}', schema.additionalProperties],
    ...((schema.anyOf ?? []) as Json[]).map((option, index): [string, Json] => [`|${index}`, option]),
  ]
  const found = children.flatMap(([name, child]) =>
    child !== null && typeof child === 'object' && !Array.isArray(child) ? schemasIn(child, `${place}/${name}`) : [],
  )
  return [[place, schema], ...found]
}

describe('the registry', () => {
  it('has each operator under its own key', () => {
    expect([...operators.keys()]).toEqual([
      'bash',
      'branch',
      'python',
      'http',
      'ingest',
      'sql',
      'spark_submit',
      'quality_check',
      'wait_for',
      'trigger_dag',
      'approval',
    ])
    for (const [key, operator] of operators) expect(operator.type).toBe(key)
  })

  it('loads nothing but Sluice’s own small files and Node: slots, compiler and web server all hold it', () => {
    const seen = new Set<string>()
    const foreign: string[] = []
    const visit = (path: string) => {
      if (seen.has(path)) return
      seen.add(path)
      for (const { target, specifier, typeOnly } of importsOf(path, sourceText(path))) {
        if (typeOnly || new RegExp(`import\\('${specifier}'\\)`).test(sourceText(path))) continue
        if (specifier.startsWith('.')) visit(target)
        else if (!specifier.startsWith('node:')) foreign.push(`${path}: ${specifier}`)
      }
    }
    visit('operators/index.ts')
    expect(foreign).toEqual([])
    expect(seen.size).toBeGreaterThan(10)
    expect(seen).not.toContain('operators/tables/match-files.ts')
  })
})

describe.each(all)('%s', (type, operator) => {
  it('has a name, a summary, and a schema that takes no unknown key', () => {
    expect(type).toMatch(/^[a-z][a-z_]*$/)
    expect(operator.summary).toMatch(/^[A-Z].{10,100}[^.]$/)
    expect(operator.schema).toMatchObject({ title: type, type: 'object', additionalProperties: false })
    expect(problems(operator, { no_such_key: 1 })).toContainEqual(expect.stringMatching(/additional properties/))
  })

  it('describes every key', () => {
    for (const [name, property] of Object.entries(operator.schema.properties as JsonObject)) {
      expect(property, name).toMatchObject({ title: expect.any(String), description: expect.any(String) })
    }
  })

  it('says of each text how templates in it are written', () => {
    for (const [place, schema] of schemasIn(operator.schema)) {
      // The schema of checks is shared with the task key of that name, and tested with it.
      if (schema.type === 'string' && !place.startsWith('/checks'))
        expect(schema['x-template'], place).toMatch(/^(sql|shell|text|none)$/)
      if (schema['x-file-pattern'] !== undefined) expect(schema['x-file'], place).toBe(true)
      if (schema['x-file'] === true) expect(schema['x-file-template'], place).toMatch(/^(sql|text|none)$/)
    }
  })

  it('has examples and defaults that its schema takes', () => {
    for (const [place, schema] of schemasIn(operator.schema)) {
      const values = [...((schema.examples ?? []) as Json[]), ...(schema.default === undefined ? [] : [schema.default])]
      for (const value of values) expect(ajv.validate(schema, value), `${place} ${JSON.stringify(value)}`).toBe(true)
    }
  })

  it('has documentation whose examples its schema takes', () => {
    const examples = [...operator.docs.matchAll(/```yaml\n([\s\S]*?)```/g)]
      .flatMap(([, yaml]) => Object.values((parse(yaml ?? '').tasks ?? {}) as Record<string, JsonObject>))
      .filter((task) => type in task)
    expect(examples.length).toBeGreaterThan(0)
    for (const task of examples) expect(problems(operator, longForm(operator, task[type] ?? null))).toEqual([])
  })
})

describe('what the schemas refuse', () => {
  it.each<[string, Json]>([
    ['bash', { command: '' }],
    ['bash', { command: [] }],
    ['bash', { command: 'true', skip_exit_code: 0 }],
    ['bash', { command: 'true', skip_exit_code: 256 }],
    ['python', {}],
    ['python', { script: 'a.py', code: 'x' }],
    ['http', { url: 'x', json: 1, body: 'y' }],
    ['http', { url: 'x', expected_status: '200' }],
    ['http', { url: 'x', expected_status: [] }],
    ['http', { url: 'x', outputs: { a: 'rates/EUR' } }],
    ['http', { url: 'x', headers: { 'a b': 'c' } }],
    ['http', { url: 'x', timeout: '5 minutes' }],
    ['ingest', { from: { files: 'a.csv' } }],
    ['ingest', { from: { files: 'a.csv' }, to: 'airports' }],
    ['ingest', { from: { files: 'a.csv', columns: { a: 'INT); DROP' } }, to: 'bronze.a' }],
    ['ingest', { from: { files: 'a.csv' }, to: 'bronze.a', mode: 'upsert' }],
    ['ingest', { from: { files: [] }, to: 'bronze.a' }],
    ['sql', {}],
    ['sql', { query: 'SELECT 1', file: 'a.sql' }],
    ['sql', { query: 'SELECT 1', mode: 'append' }],
    ['sql', { query: 'SELECT 1', to: 'a.b', mode: 'merge' }],
    ['sql', { query: 'SELECT 1', to: 'a.b', keys: ['id'] }],
    ['sql', { query: 'SELECT 1', to: 'a.b', mode: 'append', keys: ['id'] }],
    ['sql', { query: 'SELECT 1', to: 'a.b', mode: 'replace_partitions' }],
    ['quality_check', { table: 'a.b', checks: [] }],
    ['quality_check', { table: 'a.b', checks: [{ unique: 'a', not_null: 'a' }] }],
  ])('%s %j', (type, config) => {
    const operator = operators.get(type)
    expect(operator && problems(operator, config)).not.toEqual([])
  })

  it('and not what is right', () => {
    const sql = operators.get('sql')
    for (const more of [
      {},
      { mode: 'overwrite' },
      { mode: 'merge', keys: ['id'] },
      { mode: 'append', partition_by: ['d'] },
    ]) {
      expect(sql && problems(sql, { query: 'SELECT 1', to: 'lake.a.b', ...more })).toEqual([])
    }
  })
})
