import type { JsonObject } from '../../json.js'

/** A column of a table of any format. Types are in Delta's words; `uuid` and `time` exist in Iceberg only. */
export interface TableField {
  name: string
  type: ColumnType
  nullable: boolean
  /** what the format keeps with the column, such as its comment */
  metadata: JsonObject
  /** Iceberg: what the column is known by in data files, whatever its name is now */
  id?: number
}

export type ColumnType =
  | string
  | { type: 'struct'; fields: TableField[] }
  | { type: 'array'; elementType: ColumnType; containsNull: boolean; elementId?: number }
  | {
      type: 'map'
      keyType: ColumnType
      valueType: ColumnType
      valueContainsNull: boolean
      keyId?: number
      valueId?: number
    }

const DECIMAL = /^decimal\((\d+), ?(\d+)\)$/

/** A type as people read it: `decimal(38,0)`, `array<long>`, `struct<a: long>`. */
export function typeName(type: ColumnType): string {
  if (typeof type === 'string') return type
  if (type.type === 'struct') {
    return `struct<${type.fields.map((field) => `${field.name}: ${typeName(field.type)}`).join(', ')}>`
  }
  if (type.type === 'array') return `array<${typeName(type.elementType)}>`
  return `map<${typeName(type.keyType)}, ${typeName(type.valueType)}>`
}

/** Two types are the same when a reader could not tell their values apart; nullability and comments do not count. */
export function sameType(a: ColumnType, b: ColumnType): boolean {
  return typeName(a) === typeName(b)
}

/** Whether values of the type have parts of their own: struct, array or map. */
export function isNested(type: ColumnType): boolean {
  return typeof type !== 'string'
}

/** Digits in all and digits after the point of a `decimal(p,s)`, or null for any other type. */
export function decimalOf(type: ColumnType): { precision: number; scale: number } | null {
  const match = typeof type === 'string' ? DECIMAL.exec(type) : null
  return match === null ? null : { precision: Number(match[1]), scale: Number(match[2]) }
}
