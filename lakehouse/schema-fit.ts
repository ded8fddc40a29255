import { SluiceError } from '../errors.js'
import { closest } from './names.js'
import { identifier } from './sql.js'
import { type ColumnType, decimalOf, isNested, type TableField, typeName } from './tables/schema.js'

const WHOLE_NUMBERS = ['byte', 'short', 'integer', 'long']
const WHOLE_DIGITS: Record<string, number> = { byte: 3, short: 5, integer: 10, long: 19 }

/** Every value of `from` is a value of `to`, so that a column may take it without a loss. */
function fitsInto(from: ColumnType, to: ColumnType): boolean {
  if (typeof from === 'string' && typeof to === 'string') return from === to || widens(from, to)
  if (typeof from === 'string' || typeof to === 'string' || from.type !== to.type) return false
  if (from.type === 'array' && to.type === 'array') return fitsInto(from.elementType, to.elementType)
  if (from.type === 'map' && to.type === 'map') {
    return fitsInto(from.keyType, to.keyType) && fitsInto(from.valueType, to.valueType)
  }
  if (from.type !== 'struct' || to.type !== 'struct' || from.fields.length !== to.fields.length) return false
  return from.fields.every((field) => {
    const target = to.fields.find((candidate) => candidate.name.toLowerCase() === field.name.toLowerCase())
    return target !== undefined && fitsInto(field.type, target.type)
  })
}

function widens(from: string, to: string): boolean {
  const [fromRank, toRank] = [WHOLE_NUMBERS.indexOf(from), WHOLE_NUMBERS.indexOf(to)]
  if (fromRank >= 0 && toRank >= 0) return fromRank <= toRank
  const target = decimalOf(to)
  const source = decimalOf(from) ?? (fromRank >= 0 ? { precision: WHOLE_DIGITS[from] ?? 19, scale: 0 } : null)
  if (target !== null && source !== null) {
    return target.scale >= source.scale && target.precision - target.scale >= source.precision - source.scale
  }
  if (to === 'double') return from === 'float' || (fromRank >= 0 && from !== 'long')
  return to === 'float' && (from === 'byte' || from === 'short')
}

/** Parquet readers of other engines take these characters for syntax. */
const FORBIDDEN_CHARACTERS = /[ ,;{}()\n\t=]/

/**
 * A column as a table gets it.
 * @param type null when the format has no type for it
 * @param found the engine's own name of the type
 */
export function newField(table: string, name: string, type: ColumnType | null, found: string): TableField {
  if (type === null) {
    throw mismatch(table, `has column ${name} of type ${found}, which a table cannot hold`, {
      hint: `Cast it to another type in the SELECT, for example CAST(${identifier(name)} AS VARCHAR).`,
    })
  }
  for (const each of [name, ...nestedNames(type)]) {
    if (each !== '' && !FORBIDDEN_CHARACTERS.test(each)) continue
    throw mismatch(table, `has a column named ${identifier(each)}; a name may hold none of " ,;{}()=", tab, newline`, {
      hint: 'Give the expression a name with AS; what is ingested is named by `names: snake_case` or `rename` below `from`.',
    })
  }
  return { name, type, nullable: true, metadata: {} }
}

/**
 * Refuses a result whose column could lose something in the column of the table; a type that only grows fits.
 * @param type null when no table can hold the column
 * @param found the engine's own name of the type
 * @param wanted the column's type as the engine writes it
 * @throws SluiceError SCHEMA_MISMATCH when the column of a result could lose something in the column of the table
 */
export function assertFits(
  table: string,
  field: TableField,
  type: ColumnType | null,
  words: { found: string; wanted: string },
): void {
  if (type !== null && fitsInto(type, field.type)) return
  const found = type === null ? words.found : typeName(type)
  throw mismatch(table, `has column ${field.name} as ${found}, expected ${typeName(field.type)}`, {
    hint: `Cast it in the SELECT (CAST(${field.name} AS ${words.wanted})), or use mode overwrite.`,
  })
}

/** The refusal of a result that has not every column of its table. */
export function lacks(table: string, field: TableField): SluiceError {
  return mismatch(table, `lacks the column ${field.name} (${typeName(field.type)}), which the table has`)
}

function nestedNames(type: ColumnType): string[] {
  if (typeof type === 'string') return []
  if (type.type === 'array') return nestedNames(type.elementType)
  if (type.type === 'map') return [...nestedNames(type.keyType), ...nestedNames(type.valueType)]
  return type.fields.flatMap((field) => [field.name, ...nestedNames(field.type)])
}

/** Names of columns do not depend on case. @throws SluiceError SCHEMA_MISMATCH */
export function assertDistinct(table: string, source: { name: string }[]): void {
  const seen = new Set<string>()
  for (const { name } of source) {
    if (seen.has(name.toLowerCase())) throw mismatch(table, `has two columns named ${name}`)
    seen.add(name.toLowerCase())
  }
}

/** @throws SluiceError SCHEMA_MISMATCH when a table of these columns cannot be partitioned so */
export function assertPartitionColumns(table: string, fields: TableField[], partitionColumns: string[]): void {
  for (const column of partitionColumns) {
    const field = fields.find((candidate) => candidate.name === column)
    if (field === undefined) {
      const near = closest(
        column,
        fields.map((candidate) => candidate.name),
      )
      throw mismatch(table, `lacks the partition column ${column}${near === null ? '' : `; did you mean ${near}?`}`)
    }
    if (isNested(field.type) || field.type === 'binary') {
      throw mismatch(table, `cannot be partitioned by ${column}: it is of type ${typeName(field.type)}`)
    }
  }
  if (partitionColumns.length >= fields.length) throw mismatch(table, 'needs a column besides its partition columns')
}

/** How a table is partitioned changes only with all of its rows. @throws SluiceError SCHEMA_MISMATCH */
export function assertSamePartitions(table: string, current: string[], asked: string[]): void {
  if (asked.length === 0 || asked.join() === current.join()) return
  const message = `Table ${table} is partitioned by ${current.join(', ') || 'nothing'}, not by ${asked.join(', ')}.`
  throw new SluiceError('SCHEMA_MISMATCH', message, {
    retryable: false,
    hint: 'Mode overwrite may change how a table is partitioned.',
  })
}

/** The refusal of a column the table lacks. */
export function surplus(table: string, column: { name: string }, fields: TableField[]): SluiceError {
  const near = closest(
    column.name,
    fields.map((field) => field.name),
  )
  return mismatch(
    table,
    `has the column ${column.name}, which the table lacks${near === null ? '' : `; is it ${near}?`}`,
  )
}

/**
 * The refusal of a result that does not fit its table.
 * @param sentence goes on after "The result for TABLE": what is wrong, what was expected
 */
export function mismatch(table: string, sentence: string, options: { hint?: string } = {}): SluiceError {
  return new SluiceError('SCHEMA_MISMATCH', `The result for ${table} ${sentence}.`, {
    ...options,
    retryable: false,
  })
}
