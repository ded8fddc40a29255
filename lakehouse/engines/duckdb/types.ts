import {
  type DuckDBArrayType,
  type DuckDBDecimalType,
  type DuckDBListType,
  type DuckDBMapType,
  type DuckDBStructType,
  type DuckDBType,
  DuckDBTypeId,
} from '@duckdb/node-api'
import { identifier } from '../../sql.js'
import { type ColumnType, decimalOf, type TableField } from '../../tables/schema.js'

const TO_COLUMN = new Map<DuckDBTypeId, string>([
  [DuckDBTypeId.BOOLEAN, 'boolean'],
  [DuckDBTypeId.TINYINT, 'byte'],
  [DuckDBTypeId.SMALLINT, 'short'],
  [DuckDBTypeId.INTEGER, 'integer'],
  [DuckDBTypeId.BIGINT, 'long'],
  // Tables have no unsigned integers: the next wider signed type holds them all.
  [DuckDBTypeId.UTINYINT, 'short'],
  [DuckDBTypeId.USMALLINT, 'integer'],
  [DuckDBTypeId.UINTEGER, 'long'],
  [DuckDBTypeId.UBIGINT, 'decimal(20,0)'],
  // Every sum of integers is a HUGEINT, which Parquet lacks; a sum beyond 38 digits fails instead of losing any.
  [DuckDBTypeId.HUGEINT, 'decimal(38,0)'],
  [DuckDBTypeId.UHUGEINT, 'decimal(38,0)'],
  [DuckDBTypeId.FLOAT, 'float'],
  [DuckDBTypeId.DOUBLE, 'double'],
  [DuckDBTypeId.VARCHAR, 'string'],
  [DuckDBTypeId.ENUM, 'string'],
  [DuckDBTypeId.UUID, 'uuid'],
  [DuckDBTypeId.TIME, 'time'],
  [DuckDBTypeId.BLOB, 'binary'],
  [DuckDBTypeId.DATE, 'date'],
  [DuckDBTypeId.TIMESTAMP, 'timestamp_ntz'],
  [DuckDBTypeId.TIMESTAMP_S, 'timestamp_ntz'],
  [DuckDBTypeId.TIMESTAMP_MS, 'timestamp_ntz'],
  [DuckDBTypeId.TIMESTAMP_NS, 'timestamp_ntz'],
  [DuckDBTypeId.TIMESTAMP_TZ, 'timestamp'],
])

const TO_DUCKDB: Record<string, string> = {
  boolean: 'BOOLEAN',
  byte: 'TINYINT',
  short: 'SMALLINT',
  integer: 'INTEGER',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  string: 'VARCHAR',
  binary: 'BLOB',
  date: 'DATE',
  uuid: 'UUID',
  time: 'TIME',
  timestamp: 'TIMESTAMPTZ',
  timestamp_ntz: 'TIMESTAMP',
}

/** The column type that holds every value of a DuckDB type, or null when there is none (INTERVAL, BIT, …). */
export function columnType(type: DuckDBType): ColumnType | null {
  const { typeId } = type
  if (typeId === DuckDBTypeId.DECIMAL) {
    const { width, scale } = type as DuckDBDecimalType
    return `decimal(${width},${scale})`
  }
  if (typeId === DuckDBTypeId.LIST || typeId === DuckDBTypeId.ARRAY) {
    const elementType = columnType((type as DuckDBListType | DuckDBArrayType).valueType)
    return elementType === null ? null : { type: 'array', elementType, containsNull: true }
  }
  if (typeId === DuckDBTypeId.MAP) {
    const keyType = columnType((type as DuckDBMapType).keyType)
    const valueType = columnType((type as DuckDBMapType).valueType)
    if (keyType === null || valueType === null) return null
    return { type: 'map', keyType, valueType, valueContainsNull: true }
  }
  if (typeId === DuckDBTypeId.STRUCT) return structType(type as DuckDBStructType)
  return TO_COLUMN.get(typeId) ?? null
}

function structType(type: DuckDBStructType): ColumnType | null {
  const fields: TableField[] = []
  for (const [index, name] of type.entryNames.entries()) {
    const entry = type.entryTypes[index]
    const inner = entry === undefined ? null : columnType(entry)
    if (inner === null) return null
    fields.push({ name, type: inner, nullable: true, metadata: {} })
  }
  return { type: 'struct', fields }
}

/** The DuckDB type of a column type, as SQL writes it. */
export function duckdbType(type: ColumnType): string {
  if (typeof type === 'string') {
    const decimal = decimalOf(type)
    if (decimal !== null) return `DECIMAL(${decimal.precision},${decimal.scale})`
    // Iceberg's bytes of fixed length
    const name = type.startsWith('fixed(') ? 'BLOB' : TO_DUCKDB[type]
    if (name === undefined) throw new Error(`column type ${type} has no DuckDB type`)
    return name
  }
  if (type.type === 'array') return `${duckdbType(type.elementType)}[]`
  if (type.type === 'map') return `MAP(${duckdbType(type.keyType)}, ${duckdbType(type.valueType)})`
  return `STRUCT(${type.fields.map((field) => `${identifier(field.name)} ${duckdbType(field.type)}`).join(', ')})`
}
