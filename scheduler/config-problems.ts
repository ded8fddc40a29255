import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { parseDuration } from '../duration.js'
import { isObject, type Json, type JsonObject, type JsonSchema } from '../json.js'
import { CONFIG_SCHEMA } from './config-schema.js'
import { CONNECTION_SCHEMAS, LATER_CONNECTIONS } from './connection-schemas.js'
import { phrase } from './dag/phrases.js'
import { didYouMean, listed } from './dag/suggest.js'
import type { Path } from './dag/tree.js'
import { namesSecret } from './secrets.js'

/** One mistake in `sluice.yaml`, at a path of the document. */
export interface ConfigProblem {
  path: Path
  at: 'key' | 'value'
  message: string
  hint: string
}

/** Everything wrong with a `sluice.yaml` into which the defaults have been merged. */
export function configProblems(document: JsonObject): ConfigProblem[] {
  const found = [
    ...violations(CONFIG_SCHEMA, document, []),
    ...connectionProblems(document),
    ...locationProblems(document),
    ...placeProblems(document),
    ...alertProblems(document),
  ]
  const seen = new Set<string>()
  return found.filter(({ path }) => {
    const key = JSON.stringify(path)
    return !seen.has(key) && seen.add(key)
  })
}

/** as S3 names buckets */
const S3_LOCATION = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[^*?[\]{}]*)?$/

const validators = new WeakMap<JsonSchema, ValidateFunction>()

function validatorOf(schema: JsonSchema): ValidateFunction {
  const known = validators.get(schema)
  if (known !== undefined) return known
  // The schema is our own and checked by a test; checking it at each start would cost more than using it.
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    allowUnionTypes: true,
    strictRequired: false,
    meta: false,
    validateSchema: false,
  })
  for (const keyword of ['x-expects', 'x-template', 'x-default']) ajv.addKeyword(keyword)
  const validate = ajv.compile(schema)
  validators.set(schema, validate)
  return validate
}

function violations(schema: JsonSchema, value: Json, parent: Path): ConfigProblem[] {
  const validate = validatorOf(schema)
  if (validate(value)) return []
  // what a name violates is told again with the pattern it broke
  return (validate.errors ?? []).filter((error) => error.propertyName === undefined).map((error) => told(error, parent))
}

function told(error: ErrorObject, parent: Path): ConfigProblem {
  const path = [...parent, ...error.instancePath.split('/').slice(1).map(unescaped)]
  if (error.keyword === 'additionalProperties') return unknownKey(path, String(error.params.additionalProperty), error)
  if (error.keyword === 'propertyNames') {
    const name = String(error.params.propertyName)
    const wanted = isObject(error.schema) ? String(error.schema['x-expects']) : 'another form'
    return {
      path: [...path, name],
      at: 'key',
      message: `the name \`${name.slice(0, 100)}\` must be ${wanted}`,
      hint: '',
    }
  }
  if (error.keyword === 'required') {
    return { path, at: 'key', message: `\`${path.join('.')}\` needs \`${error.params.missingProperty}\``, hint: '' }
  }
  return { path, at: 'value', ...phrase(`\`${path.join('.')}\``, error) }
}

function unescaped(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

function unknownKey(parent: Path, key: string, error: ErrorObject): ConfigProblem {
  const path = [...parent, key]
  const properties =
    isObject(error.parentSchema) && isObject(error.parentSchema.properties) ? error.parentSchema.properties : {}
  const accepted = Object.keys(properties)
  const message = `unknown key \`${key.slice(0, 100)}\`; accepted are ${listed(accepted, 'and')}`
  return { path, at: 'key', message, hint: didYouMean(key, accepted) }
}

function connectionProblems(document: JsonObject): ConfigProblem[] {
  if (!isObject(document.connections)) return []
  return Object.entries(document.connections).flatMap(([name, connection]) => {
    if (!isObject(connection) || typeof connection.type !== 'string') return []
    const path = ['connections', name]
    const { type } = connection
    const schema = Object.hasOwn(CONNECTION_SCHEMAS, type) ? CONNECTION_SCHEMAS[type] : undefined
    if (schema !== undefined) return violations(schema, connection as JsonObject, path)
    const typePath = [...path, 'type']
    if (LATER_CONNECTIONS.has(type)) {
      const message = `connections of type ${type} are not there yet in this version of Sluice`
      return [{ path: typePath, at: 'value', message, hint: 'remove it: it would not do anything' }]
    }
    const known = Object.keys(CONNECTION_SCHEMAS)
    const message = `\`connections.${name}.type\` must be one of ${listed(known)}, not \`${type.slice(0, 60)}\``
    return [{ path: typePath, at: 'value', message, hint: didYouMean(type, known) }]
  })
}

/** A location in a bucket needs the connection that leads there. */
function locationProblems(document: JsonObject): ConfigProblem[] {
  const connections = isObject(document.connections) ? document.connections : {}
  const catalogs = isObject(document.catalogs) ? Object.entries(document.catalogs) : []
  const places = catalogs.map(([name, catalog]): [Path, unknown] => [['catalogs', name], catalog])
  return [...places, [['logs'], document.logs] as [Path, unknown]].flatMap(([path, place]) => {
    if (!isObject(place) || typeof place.location !== 'string') return []
    const { location, connection } = place
    if (typeof connection === 'string') {
      const problem = connectionOfType('s3', connection, [...path, 'connection'], connections)
      return problem === null ? [] : [problem]
    }
    if (!location.startsWith('s3://')) return []
    const message = `\`${path.join('.')}\` needs \`connection\`, the name of a connection of type s3`
    return [{ path, at: 'key', message, hint: 'without keys of its own it uses those of the environment' }]
  })
}

/** What alerts are sent with must be there. */
function alertProblems({ alerts, connections }: JsonObject): ConfigProblem[] {
  if (!isObject(alerts)) return []
  const known = isObject(connections) ? connections : {}
  const check = (type: string, name: unknown, path: Path) =>
    typeof name === 'string' ? (connectionOfType(type, name, path, known) ?? []) : []
  const mail = isObject(alerts.email) ? alerts.email.connection : undefined
  return [
    check('smtp', mail, ['alerts', 'email', 'connection']),
    check('webhook', alerts.webhook, ['alerts', 'webhook']),
  ].flat()
}

/** null when the named connection exists and is of the type */
function connectionOfType(type: string, name: string, path: Path, connections: object): ConfigProblem | null {
  const found = Object.hasOwn(connections, name) ? (connections as Record<string, unknown>)[name] : undefined
  const place = `\`${path.join('.')}\``
  if (found === undefined) {
    const message = `${place} names the connection \`${name.slice(0, 100)}\`, which does not exist`
    return { path, at: 'value', message, hint: didYouMean(name, Object.keys(connections)) }
  }
  if (isObject(found) && found.type === type) return null
  return { path, at: 'value', message: `${place} must name a connection of type ${type}`, hint: '' }
}

/** Secrets outside connections would be shown, and locations that are no folders would be made ones. */
function placeProblems(document: JsonObject): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const visit = (value: Json | undefined, path: Path): void => {
    if (Array.isArray(value)) for (const [index, item] of value.entries()) visit(item, [...path, index])
    else if (isObject(value)) for (const [key, item] of Object.entries(value)) visit(item as Json, [...path, key])
    else if (typeof value === 'string') problems.push(...textProblems(value, path))
  }
  visit(document, [])
  return problems
}

function textProblems(text: string, path: Path): ConfigProblem[] {
  const name = path.join('.')
  if (namesSecret(text) && path[0] !== 'connections') {
    const message = `\`${name}\` names a secret; secrets are resolved in \`connections\` only`
    return [{ path, at: 'value', message, hint: 'elsewhere they would be shown on pages and in logs' }]
  }
  if (name === 'alerts.digest' && parseDuration(text) === null) {
    const message = `\`${name}\` is no duration: ${text.slice(0, 60)}`
    return [{ path, at: 'value', message, hint: 'write each unit once, the greatest first: 1m30s' }]
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]
  if (scheme === undefined) return []
  if (path[0] === 'catalogs' && path[2] === 'location' && !S3_LOCATION.test(text)) {
    return [{ path, at: 'value', message: `\`${name}\` must be a folder or s3://bucket/prefix`, hint: '' }]
  }
  if (name === 'store' && !/^postgres(ql)?$/.test(scheme)) {
    const message = `\`store\` must be a folder or a postgres:// address, not ${scheme}://`
    return [{ path, at: 'value', message, hint: '' }]
  }
  if (name === 'logs.location' && S3_LOCATION.test(text)) return []
  if (name === 'logs' || name === 'logs.location') {
    const message = `\`${name}\` must be a folder, or a map with \`location: s3://bucket/prefix\` and \`connection\``
    return [{ path, at: 'value', message, hint: '' }]
  }
  if (name === 'dags' || name === 'cache.folder') {
    return [{ path, at: 'value', message: `\`${name}\` must be a folder, not an address`, hint: '' }]
  }
  return []
}
