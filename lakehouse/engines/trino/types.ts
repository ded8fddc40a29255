import { identifier } from '../../sql.js'
import type { DeltaField, DeltaType } from '../../tables/delta/schema.js'
import { decimalOf } from '../../tables/schema.js'
import { splitTopLevel } from './split.js'

/** A type as Trino writes it: `decimal(10, 2)`, `array(row(a bigint))`, `timestamp(6) with time zone`. */
export interface TrinoType {
  /** the word before the brackets, in lower case, with `with time zone` */
  name: string
  /** digits of decimals, lengths, fractions of seconds */
  numbers: number[]
  /** array: the element; map: key and value; row: the fields */
  inner: { name: string | null; type: TrinoType }[]
  text: string
}

const NESTED = new Set(['array', 'map', 'row'])
const FIELD_NAME = /^(?:"((?:[^"]|"")*)"|([a-z_][a-z0-9_]*))\s+(?=[a-z"])/i
/** Words of type names that have a space in them, so that a field without a name is not taken for one. */
const TWO_WORDS = /^(double precision|interval (day|year)\b)/i

/** Reads a type as Trino writes it. */
export function parseTrinoType(text: string): TrinoType {
  const trimmed = text.trim()
  const match = /^([^(]+?)\s*(?:\(([\s\S]*)\))?(\s+with time zone)?$/i.exec(trimmed)
  const word = match?.[1]?.toLowerCase() ?? trimmed.toLowerCase()
  const name = match?.[3] === undefined ? word : `${word} with time zone`
  const parts = match?.[2] === undefined ? [] : splitTopLevel(match[2]).parts
  const type: TrinoType = { name, numbers: [], inner: [], text: trimmed }
  if (!NESTED.has(name)) return { ...type, numbers: parts.map(Number) }
  type.inner = parts.map((part) => (name === 'row' ? rowField(part) : { name: null, type: parseTrinoType(part) }))
  return type
}

function rowField(text: string): { name: string | null; type: TrinoType } {
  const field = TWO_WORDS.test(text) ? null : FIELD_NAME.exec(text)
  if (field === null) return { name: null, type: parseTrinoType(text) }
  const name = field[1]?.replaceAll('""', '"') ?? field[2] ?? ''
  const rest = text.slice(field[0].length)
  // `timestamp with time zone`, `time with time zone`: the rest is no type of its own
  if (/^with time zone$/i.test(rest)) return { name: null, type: parseTrinoType(text) }
  return { name, type: parseTrinoType(rest) }
}

const TO_DELTA: Record<string, string> = {
  boolean: 'boolean',
  tinyint: 'byte',
  smallint: 'short',
  integer: 'integer',
  bigint: 'long',
  real: 'float',
  double: 'double',
  varchar: 'string',
  char: 'string',
  uuid: 'string',
  varbinary: 'binary',
  date: 'date',
  timestamp: 'timestamp_ntz',
  'timestamp with time zone': 'timestamp',
}

/** The column type that holds every value of a Trino type; null when there is none (time, interval, json, …). */
export function deltaType(type: TrinoType): DeltaType | null {
  const [first, second] = type.inner
  if (type.name === 'decimal') return `decimal(${type.numbers[0] ?? 38},${type.numbers[1] ?? 0})`
  if (type.name === 'array' && first !== undefined) {
    const elementType = deltaType(first.type)
    return elementType === null ? null : { type: 'array', elementType, containsNull: true }
  }
  if (type.name === 'map' && first !== undefined && second !== undefined) {
    const [keyType, valueType] = [deltaType(first.type), deltaType(second.type)]
    return keyType === null || valueType === null ? null : { type: 'map', keyType, valueType, valueContainsNull: true }
  }
  if (type.name !== 'row') return TO_DELTA[type.name] ?? null
  const fields: DeltaField[] = []
  for (const { name, type: inner } of type.inner) {
    const fieldType = deltaType(inner)
    if (fieldType === null || name === null) return null
    fields.push({ name, type: fieldType, nullable: true, metadata: {} })
  }
  return { type: 'struct', fields }
}

const TO_TRINO: Record<string, string> = {
  boolean: 'boolean',
  byte: 'tinyint',
  short: 'smallint',
  integer: 'integer',
  long: 'bigint',
  float: 'real',
  double: 'double',
  string: 'varchar',
  binary: 'varbinary',
  date: 'date',
  timestamp: 'timestamp(6) with time zone',
  timestamp_ntz: 'timestamp(6)',
}

/** The Trino type of a column. Tables of Iceberg have no integers below 32 bits, those of Delta no finer instants than ms in Trino. */
export function trinoType(type: DeltaType, format: 'delta' | 'iceberg'): string {
  if (typeof type === 'string') {
    const decimal = decimalOf(type)
    if (decimal !== null) return `decimal(${decimal.precision},${decimal.scale})`
    if (format === 'iceberg' && (type === 'byte' || type === 'short')) return 'integer'
    if (format === 'delta' && type === 'timestamp') return 'timestamp(3) with time zone'
    const name = TO_TRINO[type]
    if (name === undefined) throw new Error(`column type ${type} has no Trino type`)
    return name
  }
  if (type.type === 'array') return `array(${trinoType(type.elementType, format)})`
  if (type.type === 'map') return `map(${trinoType(type.keyType, format)}, ${trinoType(type.valueType, format)})`
  return `row(${type.fields.map((field) => `${identifier(field.name)} ${trinoType(field.type, format)}`).join(', ')})`
}
