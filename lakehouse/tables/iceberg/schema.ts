import { SluiceError } from '../../../errors.js'
import type { ColumnType, TableField } from '../schema.js'
import type { IcebergField, IcebergMetadata, IcebergSchema, IcebergType } from './metadata.js'

const TO_COLUMN: Record<string, string> = {
  boolean: 'boolean',
  int: 'integer',
  long: 'long',
  float: 'float',
  double: 'double',
  string: 'string',
  binary: 'binary',
  date: 'date',
  time: 'time',
  timestamp: 'timestamp_ntz',
  timestamptz: 'timestamp',
  uuid: 'uuid',
}
const TO_ICEBERG = Object.fromEntries(Object.entries(TO_COLUMN).map(([iceberg, column]) => [column, iceberg]))

/**
 * The columns of a schema, with the ids that data files know them by.
 * @throws SluiceError TABLE_UNSUPPORTED for types Sluice does not know
 */
export function fieldsOf(schema: IcebergSchema): TableField[] {
  return schema.fields.map(fieldOf)
}

function fieldOf(field: IcebergField): TableField {
  return {
    id: field.id,
    name: field.name,
    type: columnTypeOf(field.type),
    nullable: !field.required,
    metadata: field.doc === undefined ? {} : { doc: field.doc },
  }
}

function columnTypeOf(type: IcebergType): ColumnType {
  if (typeof type !== 'string') return nestedTypeOf(type)
  const known = TO_COLUMN[type]
  if (known !== undefined) return known
  const decimal = /^decimal\((\d+), ?(\d+)\)$/.exec(type)
  if (decimal !== null) return `decimal(${decimal[1]},${decimal[2]})`
  const fixed = /^fixed\[(\d+)\]$/.exec(type)
  if (fixed !== null) return `fixed(${fixed[1]})`
  throw new SluiceError('TABLE_UNSUPPORTED', `The table has a column of type ${type}, which Sluice does not know.`)
}

function nestedTypeOf(type: Exclude<IcebergType, string>): ColumnType {
  if (type.type === 'struct') return { type: 'struct', fields: type.fields.map(fieldOf) }
  if (type.type === 'list') {
    const containsNull = !type['element-required']
    return { type: 'array', elementType: columnTypeOf(type.element), containsNull, elementId: type['element-id'] }
  }
  return {
    type: 'map',
    keyType: columnTypeOf(type.key),
    valueType: columnTypeOf(type.value),
    valueContainsNull: !type['value-required'],
    keyId: type['key-id'],
    valueId: type['value-id'],
  }
}

/**
 * Columns as Iceberg's metadata writes them. Each must have its id already; of what the format keeps with a column, the
 * comment goes along as `doc`.
 */
export function icebergFields(fields: TableField[]): IcebergField[] {
  return fields.map((field) => {
    const doc = field.metadata.doc
    return {
      id: idOf(field.id),
      name: field.name,
      required: !field.nullable,
      type: icebergType(field.type),
      ...(typeof doc === 'string' ? { doc } : {}),
    }
  })
}

function icebergType(type: ColumnType): IcebergType {
  if (typeof type === 'string') {
    const fixed = /^fixed\((\d+)\)$/.exec(type)
    if (fixed !== null) return `fixed[${fixed[1]}]`
    return TO_ICEBERG[type] ?? type.replace(',', ', ')
  }
  if (type.type === 'struct') return { type: 'struct', fields: icebergFields(type.fields) }
  if (type.type === 'array') {
    const element = icebergType(type.elementType)
    return { type: 'list', 'element-id': idOf(type.elementId), element, 'element-required': !type.containsNull }
  }
  return {
    type: 'map',
    'key-id': idOf(type.keyId),
    key: icebergType(type.keyType),
    'value-id': idOf(type.valueId),
    value: icebergType(type.valueType),
    'value-required': !type.valueContainsNull,
  }
}

/** Gives every column and part of one an id, counting on from the last one that the table ever gave. */
export function withIds(fields: TableField[], lastId: number): TableField[] {
  let last = lastId
  const next = (): number => ++last
  const ofType = (type: ColumnType): ColumnType => {
    if (typeof type === 'string') return type
    if (type.type === 'struct') return { type: 'struct', fields: ofFields(type.fields) }
    if (type.type === 'array') {
      const elementId = type.elementId ?? next()
      return { ...type, elementId, elementType: ofType(type.elementType) }
    }
    const [keyId, valueId] = [type.keyId ?? next(), type.valueId ?? next()]
    return { ...type, keyId, valueId, keyType: ofType(type.keyType), valueType: ofType(type.valueType) }
  }
  const ofFields = (list: TableField[]): TableField[] =>
    list
      .map((field) => ({ ...field, id: field.id ?? next() }))
      .map(({ id, name, nullable, metadata, type }) => ({ id, name, type: ofType(type), nullable, metadata }))
  return ofFields(fields)
}

/** Every id of the columns and their parts, with where it stands and what it holds. */
export function idsIn(fields: TableField[], above = ''): Map<number, { path: string; type: string }> {
  const ids = new Map<number, { path: string; type: string }>()
  const add = (id: number | undefined, path: string, type: ColumnType) => {
    ids.set(idOf(id), { path, type: typeof type === 'string' ? type : type.type })
    for (const [inner, place] of innerIds(type, path)) ids.set(inner, place)
  }
  for (const field of fields) add(field.id, `${above}${field.name}`, field.type)
  return ids
}

function innerIds(type: ColumnType, path: string): Map<number, { path: string; type: string }> {
  if (typeof type === 'string') return new Map()
  if (type.type === 'struct') return idsIn(type.fields, `${path}.`)
  const parts =
    type.type === 'array'
      ? [{ id: type.elementId, name: 'element', type: type.elementType }]
      : [
          { id: type.keyId, name: 'key', type: type.keyType },
          { id: type.valueId, name: 'value', type: type.valueType },
        ]
  return idsIn(
    parts.map((part) => ({ ...part, id: idOf(part.id), nullable: true, metadata: {} })),
    `${path}.`,
  )
}

/**
 * The engine finds top-level columns by id and parts of nested ones by name, so a nested part must never have had another
 * name, nor its name have belonged to another part.
 * @throws SluiceError TABLE_UNSUPPORTED
 */
export function assertNestedNamesStable(metadata: IcebergMetadata, table: string): void {
  const nested = (schema: IcebergSchema) =>
    schema.fields
      .filter((field) => typeof field.type !== 'string')
      .map((field) => ({ ...fieldOf(field), name: String(field.id) }))
  const names = new Map<number, string>()
  const ids = new Map<string, number>()
  for (const schema of metadata.schemas ?? []) {
    for (const [id, { path }] of idsIn(nested(schema))) {
      if ((names.get(id) ?? path) !== path || (ids.get(path) ?? id) !== id) {
        const message = `Table ${table} has a nested column one of whose parts (${path.replace(/^\d+\./, '')}) was renamed or made anew, which Sluice cannot read.`
        throw new SluiceError('TABLE_UNSUPPORTED', message, { retryable: false })
      }
      names.set(id, path)
      ids.set(path, id)
    }
  }
}

/** Whether two lists are the same columns in everything, ids, order, nullability and comments included. */
export function sameFields(a: TableField[], b: TableField[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The type that Iceberg keeps values of a type in. */
export function storedType(type: ColumnType): ColumnType {
  if (type === 'byte' || type === 'short') return 'integer'
  if (typeof type === 'string') return type
  if (type.type === 'array') return { ...type, elementType: storedType(type.elementType) }
  if (type.type === 'map') {
    return { ...type, keyType: storedType(type.keyType), valueType: storedType(type.valueType) }
  }
  return { type: 'struct', fields: type.fields.map((field) => ({ ...field, type: storedType(field.type) })) }
}

function idOf(id: number | undefined): number {
  if (id === undefined) throw new Error('a column of an Iceberg table has no id')
  return id
}
