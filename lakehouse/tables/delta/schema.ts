import { SluiceError } from '../../../errors.js'
import { isObject, type Json } from '../../../json.js'
import { type ColumnType, decimalOf, type TableField } from '../schema.js'

/** The schema of a Delta table as its `metaData.schemaString` writes it. */
export type DeltaField = TableField
export type DeltaType = ColumnType

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

/**
 * The columns in a `metaData.schemaString` (Delta protocol, "Schema Serialization Format"). A column that does
 * not say whether it holds NULL may hold it, and a bare `decimal` is `decimal(10,0)`, as in Spark.
 * @throws SluiceError TABLE_CORRUPT when it is no struct in JSON, TABLE_UNSUPPORTED for column types Sluice does not
 * know
 */
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

/** The `schemaString` of these columns; parseSchema() gives the same columns back. */
export function formatSchema(fields: DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields })
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
