import type { Json, JsonObject } from '../../json.js'
import { PACKAGE_VERSION } from '../../package-root.js'
import type { ApiRoute } from './route.js'
import { SCHEMAS, schemaRef } from './schemas.js'

/** The description of the API, from the table that also makes its handlers. */
export function openApi(routes: readonly ApiRoute[]): JsonObject {
  const paths: Record<string, JsonObject> = {}
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version: PACKAGE_VERSION,
      description:
        'Instants are ISO 8601 with milliseconds. Refusals are problem documents (RFC 9457) with `code` and `hint`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/api/v1' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: SCHEMAS as unknown as JsonObject,
      responses: {
        Problem: {
          description: 'Refused',
          content: { 'application/problem+json': { schema: schemaRef('ProblemDocument') } },
        },
      },
    },
  }
}

function operation(route: ApiRoute): JsonObject {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) =>
    parameter(name, 'path', { type: 'string' }),
  )
  const inQuery = Object.entries(route.query ?? {}).map(([name, schema]) => parameter(name, 'query', schema))
  const inHead = Object.entries(route.headers ?? {}).map(([name, description]) =>
    parameter(name, 'header', { type: 'string', description }),
  )
  const responses: JsonObject = { default: { $ref: '#/components/responses/Problem' } }
  for (const [status, answer] of Object.entries(route.answers))
    responses[status] = {
      description: answer.description,
      content: { [answer.media ?? 'application/json']: { schema: answer.schema } },
    }
  return {
    summary: route.summary,
    description: `Role: ${route.role}.`,
    parameters: [...inPath, ...inQuery, ...inHead],
    ...(route.body === undefined ? {} : { requestBody: { content: { 'application/json': { schema: route.body } } } }),
    responses,
  }
}

function parameter(name: string, place: string, { description, ...schema }: JsonObject): Json {
  return { name, in: place, required: place === 'path', description: description ?? name, schema }
}
