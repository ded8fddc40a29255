import { isObject, type Json, type JsonObject, type JsonSchema } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import type { TemplateMode } from './template-place.js'
import type { Path } from './tree.js'

/** A text in an operator's configuration, with what its schema says about templates and files. */
export interface Slot {
  path: Path
  text: string
  mode: TemplateMode
  /** set when the text names a file: how templates inside that file are treated */
  file: TemplateMode | null
  /** it names a table of the lakehouse */
  table: boolean
}

/** All texts of a configuration, in the order of the file. */
export function slotsOf(operator: Operator, config: JsonObject): Slot[] {
  const slots: Slot[] = []
  visit(config, operator.schema, operator.schema, [], (slot) => slots.push(slot))
  return slots
}

/** A copy of a configuration with each text replaced by what `render` makes of it. */
export function mapSlots(operator: Operator, config: JsonObject, render: (slot: Slot) => string): JsonObject {
  const copy = visit(config, operator.schema, operator.schema, [], render)
  if (!isObject(copy)) throw new TypeError('a configuration is a map')
  return copy as JsonObject
}

/** The same for any JSON value under a schema of its own. */
export function mapTexts(value: Json, schema: JsonSchema, render: (slot: Slot) => string): Json {
  return visit(value, schema, schema, [], render)
}

function visit(value: Json, schema: unknown, root: JsonSchema, path: Path, use: (slot: Slot) => unknown): Json {
  const here = branchFor(value, schema, root)
  if (typeof value === 'string') {
    const [mode, file] = [modeOf(here['x-template'], 'text'), fileModeOf(here, value)]
    const used = use({ path, text: value, mode, file, table: here['x-table'] === true })
    return typeof used === 'string' ? used : value
  }
  if (Array.isArray(value)) return value.map((item, index) => visit(item, here.items, root, [...path, index], use))
  if (value === null || typeof value !== 'object') return value
  const properties = isObject(here.properties) ? here.properties : {}
  const copy: JsonObject = {}
  for (const [key, inner] of Object.entries(value)) {
    const known = Object.hasOwn(properties, key) ? properties[key] : here.additionalProperties
    copy[key] = visit(inner, known, root, [...path, key], use)
  }
  return copy
}

const NOTHING: Record<string, unknown> = {}
/** Schemas never change, and which alternative applies hangs on the type of the value alone. */
const branches = new WeakMap<object, Map<string, Record<string, unknown>>>()

/** The schema that applies to a valid value: references followed, and of alternatives the one for values of its type. */
function branchFor(value: Json, schema: unknown, root: JsonSchema): Record<string, unknown> {
  if (!isObject(schema)) return NOTHING
  const type = typeOf(value)
  const known = branches.get(schema) ?? new Map<string, Record<string, unknown>>()
  const found = known.get(type) ?? chooseBranch(value, schema, root)
  if (known.size === 0) branches.set(schema, known)
  known.set(type, found)
  return found
}

function chooseBranch(value: Json, schema: Record<string, unknown>, root: JsonSchema): Record<string, unknown> {
  if (typeof schema.$ref === 'string') return branchFor(value, definition(schema.$ref, root), root)
  const choices = Array.isArray(schema.anyOf) ? schema.anyOf : Array.isArray(schema.oneOf) ? schema.oneOf : []
  const branch = choices.find((one: unknown) => takes(one, value, root))
  return branch === undefined ? schema : { ...schema, ...branchFor(value, branch, root) }
}

function takes(schema: unknown, value: Json, root: JsonSchema): boolean {
  if (!isObject(schema)) return false
  const target = typeof schema.$ref === 'string' ? definition(schema.$ref, root) : schema
  if (!isObject(target)) return false
  const types = Array.isArray(target.type) ? target.type : [target.type]
  const type = typeOf(value)
  return types.includes(type) || (type === 'number' && types.includes('integer'))
}

function typeOf(value: Json): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function definition(ref: string, root: JsonSchema): unknown {
  return isObject(root.$defs) ? root.$defs[ref.replace('#/$defs/', '')] : undefined
}

/** null when the text names no file of the project: it is none by its schema, or not of the form its schema says. */
function fileModeOf(schema: Record<string, unknown>, text: string): TemplateMode | null {
  if (schema['x-file'] !== true) return null
  const pattern = schema['x-file-pattern']
  if (typeof pattern === 'string' && !new RegExp(pattern).test(text)) return null
  return modeOf(schema['x-file-template'], 'none')
}

const MODES: readonly TemplateMode[] = ['sql', 'shell', 'text', 'condition', 'none']

function modeOf(value: unknown, otherwise: TemplateMode): TemplateMode {
  return MODES.find((mode) => mode === value) ?? otherwise
}
