import type { ErrorObject } from 'ajv/dist/2020.js'
import { isObject, type Json } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import { phrase } from './phrases.js'
import { listed } from './suggest.js'
import type { Path } from './tree.js'
import { unknownKey } from './unknown-key.js'

/** One mistake in a document, told at a path. */
export interface Finding {
  path: Path
  /** whether the key or its value is what is wrong */
  at: 'key' | 'value'
  message: string
  hint: string
}

/** A file with more violations than this is no DAG; the first ones say enough. */
const ERRORS_LIMIT = 1_000

/**
 * Turns the validator's errors into one sentence for each mistake. What an `anyOf` says about branches nobody meant is
 * dropped: the branch that takes a value of this type is the one that was meant, and when there is none, the alternatives
 * are named once.
 */
export function explain(
  document: Json,
  errors: readonly ErrorObject[],
  operators: ReadonlyMap<string, Operator>,
): Finding[] {
  const kept = withoutBranches(errors.slice(0, ERRORS_LIMIT))
  const findings: Finding[] = []
  const seen = new Set<string>()
  for (const error of kept) {
    const finding = findingOf(document, error, operators)
    if (finding === null) continue
    const key = JSON.stringify([finding.path, finding.message])
    if (!seen.has(key)) findings.push(finding)
    seen.add(key)
  }
  return findings.filter((finding) => !isEcho(finding, findings))
}

/** That a key is missing, beside an unknown key that was meant for it, says the same thing twice. */
function isEcho(finding: Finding, all: readonly Finding[]): boolean {
  const missing = / needs (exactly one |`)/.test(finding.message)
  return (
    missing &&
    all.some(
      (other) =>
        other.at === 'key' &&
        other.path.length === finding.path.length + 1 &&
        finding.path.every((part, depth) => other.path[depth] === part) &&
        isMeant(other, finding.message),
    )
  )
}

/** True when the key that an unknown one is nearest to is named in the sentence. */
function isMeant(unknown: Finding, message: string): boolean {
  const meant = /^did you mean (`.+`)\?$/.exec(unknown.hint)?.[1]
  return meant !== undefined && message.includes(meant)
}

/**
 * Removes the errors inside the branches of each failed `anyOf` and `oneOf`, but for those of the branch that was meant.
 * The validator reports what is inside a choice right before the choice itself.
 */
function withoutBranches(errors: readonly ErrorObject[]): ErrorObject[] {
  const dropped = new Set<ErrorObject>()
  // from the end, so outer choices come first: what they drop need not be looked at again
  for (let index = errors.length - 1; index >= 0; index--) {
    const choice = errors[index]
    if (choice === undefined || !isChoice(choice) || dropped.has(choice)) continue
    let start = index
    for (let before = errors[start - 1]; before !== undefined && isInside(before, choice); before = errors[start - 1])
      start--
    const inside = errors.slice(start, index)
    const meant = isKeyChoice(choice) ? null : branchMeant(choice, inside)
    if (meant !== null) dropped.add(choice)
    for (const error of inside) if (meant === null || !error.schemaPath.startsWith(meant)) dropped.add(error)
  }
  return errors.filter((error) => !dropped.has(error) && error.keyword !== 'if' && error.propertyName === undefined)
}

function isChoice(error: ErrorObject): boolean {
  return error.keyword === 'anyOf' || error.keyword === 'oneOf'
}

function isInside(error: ErrorObject, choice: ErrorObject): boolean {
  return (
    error !== choice &&
    error.schemaPath.startsWith(`${choice.schemaPath}/`) &&
    (error.instancePath === choice.instancePath || error.instancePath.startsWith(`${choice.instancePath}/`))
  )
}

/** A choice between keys (`query` or `file`), which no type can decide. */
function isKeyChoice(choice: ErrorObject): boolean {
  const branches: unknown = choice.schema
  return (
    Array.isArray(branches) &&
    branches.every((branch: unknown) => isObject(branch) && Object.keys(branch).join() === 'required')
  )
}

/** Schema path of the branch whose type fits the value, the one with fewest errors if several do. */
function branchMeant(choice: ErrorObject, inside: readonly ErrorObject[]): string | null {
  const branches: unknown = choice.schema
  if (!Array.isArray(branches)) return null
  let best: string | null = null
  let fewest = Number.POSITIVE_INFINITY
  for (const index of branches.keys()) {
    const prefix = `${choice.schemaPath}/${index}/`
    const own = inside.filter((error) => error.schemaPath.startsWith(prefix))
    const wrongType = own.some((error) => error.instancePath === choice.instancePath && isOfOtherType(error))
    if (wrongType || own.length === 0 || own.length >= fewest) continue
    best = prefix
    fewest = own.length
  }
  return best
}

/** A list of values without a map among them is not what somebody meant who wrote a map. */
function isOfOtherType({ keyword, schema, data }: ErrorObject): boolean {
  if (keyword === 'type') return true
  return keyword === 'enum' && isObject(data) && Array.isArray(schema) && !schema.some(isObject)
}

function findingOf(document: Json, error: ErrorObject, operators: ReadonlyMap<string, Operator>): Finding | null {
  const path = pathOf(document, error.instancePath)
  const name = nameOf(path)
  if (error.keyword === 'additionalProperties') {
    return unknownKey(path, String(error.params.additionalProperty), error, operators)
  }
  if (error.keyword === 'propertyNames') {
    const key = String(error.params.propertyName)
    const expects = isObject(error.schema) ? error.schema['x-expects'] : undefined
    const wanted = typeof expects === 'string' ? expects : 'another form'
    return {
      path: [...path, key],
      at: 'key',
      message: `the name \`${key.slice(0, 120)}\` must be ${wanted}`,
      hint: plainName(key),
    }
  }
  if (error.keyword === 'required' || error.keyword === 'dependentRequired') {
    const missing = `\`${error.params.missingProperty}\``
    const because = error.keyword === 'required' ? '' : ` when it has \`${error.params.property}\``
    const hint = descriptionOf(path, String(error.params.missingProperty), operators)
    return { path, at: 'key', message: `${name} needs ${missing}${because}`, hint }
  }
  if (isChoice(error) && isKeyChoice(error)) return keyChoice(path, name, error)
  if (error.keyword === 'false schema') {
    const message = `${name} does not go together with the other keys here`
    return { path, at: 'key', message, hint: descriptionOf(path.slice(0, -1), String(path.at(-1)), operators) }
  }
  return { path, at: 'value', ...phrase(name, error) }
}

/** What the schema of an operator says about one of its keys. */
function descriptionOf(path: Path, key: string, operators: ReadonlyMap<string, Operator>): string {
  const operator = path.length === 3 && path[0] === 'tasks' ? operators.get(String(path[2])) : undefined
  const properties = operator?.schema.properties
  const property = isObject(properties) ? properties[key] : undefined
  return isObject(property) && typeof property.description === 'string' ? property.description : ''
}

function keyChoice(path: Path, name: string, error: ErrorObject): Finding | null {
  const schema = isObject(error.parentSchema) ? error.parentSchema : {}
  const branches: unknown[] = Array.isArray(error.schema) ? error.schema : []
  const keys = branches.flatMap((branch) =>
    isObject(branch) && Array.isArray(branch.required) ? branch.required.map(String) : [],
  )
  if (!isObject(error.data)) return null
  const found = Object.keys(error.data).filter((key) => keys.includes(key))
  const noun = typeof schema['x-one-of-name'] === 'string' ? `${schema['x-one-of-name']}: ` : 'of '
  if (found.length === 0) {
    const wanted = error.keyword === 'oneOf' ? 'exactly one' : 'at least one'
    return { path, at: 'key', message: `${name} needs ${wanted} ${noun}${listed(keys)}`, hint: '' }
  }
  const message = `${name} has ${listed(found, 'and')}, but needs exactly one ${noun}${listed(keys)}`
  return { path: [...path, found[1] ?? ''], at: 'key', message, hint: 'keep one of them' }
}

/** JSON pointer to path; the parts below lists become numbers. */
function pathOf(document: Json, pointer: string): Path {
  const path: (string | number)[] = []
  let value: unknown = document
  for (const raw of pointer.split('/').slice(1)) {
    const part = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    path.push(Array.isArray(value) ? Number(part) : part)
    value = (value as Record<string, unknown> | undefined)?.[part]
  }
  return path
}

/** How a sentence calls what is at the path: by its key, for items of lists by the list's. */
function nameOf(path: Path): string {
  if (path.length === 0) return 'the DAG'
  if (path.length === 2 && path[0] === 'tasks') return `task \`${path[1]}\``
  const last = path.at(-1)
  if (typeof last === 'number') return `item ${last + 1} of \`${path.findLast((part) => typeof part === 'string')}\``
  return `\`${last}\``
}

/** The same name in the form of an id. */
function plainName(key: string): string {
  const plain = key
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^[^A-Za-z]+|_+$/g, '')
    .toLowerCase()
    .slice(0, 100)
  return plain === '' || plain === key ? '' : `for example \`${plain}\``
}
