import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, it } from 'vitest'
import { operators } from '../operators/index.js'
import { CONFIG_SCHEMA } from '../scheduler/config-schema.js'
import { CONNECTION_SCHEMAS } from '../scheduler/connection-schemas.js'
import { dagSchema } from '../scheduler/dag/schema.js'
import { API_ROUTES } from '../webserver/api/router.js'

// The running program leaves these checks out, for a quick start.
it('the schemas of DAG files and of sluice.yaml are JSON Schemas', () => {
  const ajv = new Ajv2020({ strict: false })
  const { $schema: _, ...schema } = dagSchema(operators)
  for (const one of [schema, CONFIG_SCHEMA, ...Object.values(CONNECTION_SCHEMAS)]) {
    expect(ajv.validateSchema(one), JSON.stringify(ajv.errors)).toBe(true)
  }
})

it('the schemas of API bodies are JSON Schemas', () => {
  const ajv = new Ajv({ strict: false })
  const bodies = API_ROUTES.flatMap((route) => (route.body === undefined ? [] : [route.body]))
  expect(bodies.length).toBeGreaterThan(3)
  for (const body of bodies) expect(ajv.validateSchema(body), JSON.stringify(ajv.errors)).toBe(true)
})
