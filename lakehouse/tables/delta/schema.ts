import { SluiceError } from '../../../errors.js'
import type { Json, JsonObject } from '../../../json.js'
import { isObject } from './actions.js'

/** The schema of a Delta table as its `metaData.schemaString` writes it. */
export interface DeltaField {
  name: string
  type: DeltaType
  nullable: boolean
  metadata: JsonObject
}

export type DeltaType =
  | string
  | { type: 'struct'; fields: DeltaField[] }
  | { type: 'array'; elementType: DeltaType; containsNull: boolean }
  | { type: 'map'; keyType: DeltaType; valueType: DeltaType; valueContainsNull: boolean }

const PRIMITIVES = new Set([
  'string',
  'long',
  'integer',
  'short',
  'byte',
  'float',
  'double',
  'boolean',
  'binary',
  'date',
  'timestamp',
  'timestamp_ntz',
])

const DECIMAL = /^decimal\((\d+), ?(\d+)\)$/

export function parseSchema(schemaString: string): DeltaField[] {
  let schema: Json
  try {
    schema = JSON.parse(schemaString)
  } catch (error) {
    throw new SluiceError('TABLE_CORRUPT', 'The schema in the table log is not JSON.', { cause: error })
  }
  const type = typeOf(schema)
  if (typeof type === 'string' || type.type !== 'struct') {
    throw new SluiceError('TABLE_CORRUPT', 'The schema in the table log is not a struct.')
  }
  return type.fields
}

export function formatSchema(fields: DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields })
}

/** A type as people read it: `decimal(38,0)`, `array<long>`, `struct<a: long>`. */
export function typeName(type: DeltaType): string {
  if (typeof type === 'string') return type
  if (type.type === 'struct') {
    return `struct<${type.fields.map((field) => `${field.name}: ${typeName(field.type)}`).join(', ')}>`
  }
  if (type.type === 'array') return `array<${typeName(type.elementType)}>`
  return `map<${typeName(type.keyType)}, ${typeName(type.valueType)}>`
}

/** Two types are the same when a reader could not tell their values apart; nullability and comments do not count. */
export function sameType(a: DeltaType, b: DeltaType): boolean {
  return typeName(a) === typeName(b)
}

export function isNested(type: DeltaType): boolean {
  return typeof type !== 'string'
}

export function decimalOf(type: DeltaType): { precision: number; scale: number } | null {
  const match = typeof type === 'string' ? DECIMAL.exec(type) : null
  return match === null ? null : { precision: Number(match[1]), scale: Number(match[2]) }
}

function typeOf(json: Json | undefined): DeltaType {
  if (typeof json === 'string') {
    if (PRIMITIVES.has(json)) return json
    const decimal = decimalOf(json)
    if (decimal !== null) return `decimal(${decimal.precision},${decimal.scale})`
    if (json === 'decimal') return 'decimal(10,0)'
    throw new SluiceError('TABLE_UNSUPPORTED', `The table has a column of type ${json}, which Sluice does not know.`)
  }
  if (isObject(json)) {
    if (json.type === 'struct' && Array.isArray(json.fields)) {
      return { type: 'struct', fields: json.fields.map(fieldOf) }
    }
    if (json.type === 'array') {
      return { type: 'array', elementType: typeOf(json.elementType), containsNull: json.containsNull !== false }
    }
    if (json.type === 'map') {
      const [keyType, valueType] = [typeOf(json.keyType), typeOf(json.valueType)]
      return { type: 'map', keyType, valueType, valueContainsNull: json.valueContainsNull !== false }
    }
  }
  throw new SluiceError('TABLE_CORRUPT', `The schema in the table log holds an unknown type: ${JSON.stringify(json)}.`)
}

function fieldOf(json: Json): DeltaField {
  if (!isObject(json) || typeof json.name !== 'string') {
    throw new SluiceError('TABLE_CORRUPT', 'The schema in the table log has a field without a name.')
  }
  return {
    name: json.name,
    type: typeOf(json.type),
    nullable: json.nullable !== false,
    metadata: isObject(json.metadata) ? json.metadata : {},
  }
}
