import { SluiceError } from '../../../errors.js'
import type { WriteMode } from '../../lakehouse.js'
import { mismatch } from '../../schema-fit.js'
import { identifier, identifiers } from '../../sql.js'
import { type Layout, tableProperties } from './layout.js'
import { qualified, type TrinoTable } from './names.js'
import type { ExistingTable } from './target.js'

export interface Publication {
  table: TrinoTable
  existing: ExistingTable | null
  layout: Layout
  mode: WriteMode
  keys: string[]
  /** a SELECT that gives the rows in the layout's columns */
  rows: string
  /** some rows have NULL as partition, which no equality finds: then the slower comparison is used */
  nullPartitions: boolean
}

/**
 * The one statement that publishes rows, each an atomic commit of Trino on Delta and on Iceberg (ADR 16).
 * @throws SluiceError SCHEMA_MISMATCH when the table has no partitions to replace
 */
export function publishSql(publication: Publication): string {
  const { table, existing, layout, mode, rows } = publication
  const target = qualified(table)
  if (mode === 'overwrite') {
    return `CREATE OR REPLACE TABLE ${target}${tableProperties(table, layout, existing)} AS ${rows}`
  }
  // It fails when somebody else creates the table meanwhile, and the write starts over.
  if (existing === null) return `CREATE TABLE ${target}${tableProperties(table, layout, null)} AS ${rows}`
  if (mode === 'append') return `INSERT INTO ${target} (${names(layout)}) ${rows}`
  return mode === 'merge' ? mergeSql(publication) : replacePartitionsSql(publication)
}

/** Rows that match and are equal stay as they are, so that nothing is rewritten for them. */
function mergeSql({ table, layout, keys, rows }: Publication): string {
  const columns = layout.columns.map((column) => identifier(column.name))
  const isKey = (name: string): boolean => keys.some((key) => key.toLowerCase() === name.toLowerCase())
  const values = layout.columns.filter((column) => !isKey(column.name)).map((column) => identifier(column.name))
  const differs = values.map((name) => `t.${name} IS DISTINCT FROM s.${name}`).join(' OR ')
  const updates = values.map((name) => `${name} = s.${name}`).join(', ')
  return `MERGE INTO ${qualified(table)} t USING (${rows}) s ON ${keys.map((key) => `t.${identifier(key)} = s.${identifier(key)}`).join(' AND ')}
    ${values.length === 0 ? '' : `WHEN MATCHED AND (${differs}) THEN UPDATE SET ${updates}`}
    WHEN NOT MATCHED THEN INSERT (${columns.join(', ')}) VALUES (${columns.map((name) => `s.${name}`).join(', ')})`
}

const DELETES = '"sluice deletes"'

/**
 * Deletes and inserts in one MERGE: beside its rows the source has one row for each partition that occurs in them. Those
 * match the rows that leave; the new rows have NULL as key and match nothing.
 */
function replacePartitionsSql({ table, existing, layout, rows, nullPartitions }: Publication): string {
  const partitions = (existing?.partitioning ?? []).map((part) => partitionOf(table, part))
  if (partitions.length === 0) {
    const message = `Table ${table.label} is not partitioned, so mode replace_partitions has nothing to replace.`
    throw new SluiceError('SCHEMA_MISMATCH', message, { retryable: false, hint: 'Use overwrite, or partition_by.' })
  }
  const keys = partitions.map((_, index) => `"sluice key ${index}"`)
  const columns = layout.columns.map((column) => identifier(column.name))
  const empty = layout.columns.map((column) => `CAST(NULL AS ${column.trinoType}) AS ${identifier(column.name)}`)
  const own = partitions.map((partition) => partition.of(''))
  const none = own.map((key, index) => `CASE WHEN false THEN ${key} END AS ${keys[index]}`)
  const distinct = own.map((key, index) => `${key} AS ${keys[index]}`)
  const matches = partitions.map((partition, index) => {
    const [theirs, ours] = [partition.of('t.'), `s.${keys[index]}`]
    return nullPartitions
      ? `(${theirs} = ${ours} OR (${theirs} IS NULL AND ${ours} IS NULL AND s.${DELETES}))`
      : `${theirs} = ${ours}`
  })
  return `MERGE INTO ${qualified(table)} t USING (
      SELECT ${[...columns, ...none].join(', ')}, false AS ${DELETES} FROM (${rows})
      UNION ALL SELECT ${[...empty, ...keys].join(', ')}, true FROM (SELECT DISTINCT ${distinct.join(', ')} FROM (${rows}))
    ) s ON ${matches.join(' AND ')}
    WHEN MATCHED THEN DELETE
    WHEN NOT MATCHED AND NOT s.${DELETES} THEN INSERT (${columns.join(', ')}) VALUES (${columns.map((name) => `s.${name}`).join(', ')})`
}

const TRANSFORMS: Record<string, (column: string) => string> = {
  year: (column) => `date_trunc('year', ${column})`,
  month: (column) => `date_trunc('month', ${column})`,
  day: (column) => `date_trunc('day', ${column})`,
  hour: (column) => `date_trunc('hour', ${column})`,
}

/** A partition column or transform as an expression over a row. */
function partitionOf(table: TrinoTable, part: string): { column: string; of(prefix: string): string } {
  const [, transform = '', quoted = part] = /^(\w+)\((.+)\)$/.exec(part) ?? []
  const column = quoted.replace(/^"(.*)"$/, '$1')
  const name = identifier(column)
  if (transform === '') return { column, of: (prefix) => `${prefix}${name}` }
  const expression = TRANSFORMS[transform]
  if (expression === undefined) {
    throw mismatch(table.label, `cannot replace partitions: the table is partitioned by ${part}`, {
      hint: 'Use merge or overwrite; partitions by column, year, month, day and hour can be replaced.',
    })
  }
  return { column, of: (prefix) => expression(`${prefix}${name}`) }
}

/** The columns that partitions are made of. */
export function partitionColumns(table: TrinoTable, existing: ExistingTable): string[] {
  return existing.partitioning.map((part) => partitionOf(table, part).column)
}

function names(layout: Layout): string {
  return identifiers(layout.columns.map((column) => column.name))
}
