import { identifier, identifiers, literal } from '../../sql.js'
import type { TableField } from '../../tables/schema.js'
import type { DataFile } from '../../tables/table.js'
import type { FileSet } from './relation.js'
import { duckdbType } from './types.js'

const ROW_NUMBER = 'sluice row number'
const SPECIFICATION_POSITIONS = [
  { id: 2147483546, name: 'file_path', type: 'VARCHAR' },
  { id: 2147483545, name: 'pos', type: 'BIGINT' },
]

/**
 * The rows of one file without those that other engines have deleted (merge on read): by their position in the file, or
 * by the values of some columns.
 * @param rows gives a SELECT of the file's rows with more fields and the row's number
 */
export function withoutDeleted(
  set: FileSet,
  file: DataFile,
  rows: (more: { fields: TableField[]; rowNumber: string }) => string,
): string {
  const local = (deletes: DataFile['deletes']) =>
    `[${deletes.map(({ key }) => literal(set.table.store.localPath(key))).join(', ')}]`
  const conditions: string[] = []
  const positions = file.deletes.filter(({ equality }) => equality === null)
  if (positions.length > 0) {
    conditions.push(
      `NOT EXISTS (SELECT 1 FROM ${parquet(local(positions), SPECIFICATION_POSITIONS)} d
        WHERE d.file_path = ${literal(file.path)} AND d.pos = r.${identifier(ROW_NUMBER)})`,
    )
  }
  const extra = new Map<string, TableField>()
  for (const one of file.deletes) {
    if (one.equality === null) continue
    const columns = one.equality.map((field) => {
      return { id: field.id ?? 0, name: field.name, type: duckdbType(field.type) }
    })
    for (const field of one.equality) {
      if (!set.fields.some((known) => known.id === field.id)) extra.set(field.name, field)
    }
    const nameOf = (field: TableField) => set.fields.find((known) => known.id === field.id)?.name ?? field.name
    const same = one.equality.map(
      (field) => `d.${identifier(field.name)} IS NOT DISTINCT FROM r.${identifier(nameOf(field))}`,
    )
    conditions.push(`NOT EXISTS (SELECT 1 FROM ${parquet(local([one]), columns)} d WHERE ${same.join(' AND ')})`)
  }
  const select = rows({ fields: [...extra.values()], rowNumber: ROW_NUMBER })
  const dropped = identifiers([...extra.keys(), ROW_NUMBER])
  return `SELECT * EXCLUDE (${dropped}) FROM (${select}) r WHERE ${conditions.join(' AND ')}`
}

function parquet(paths: string, columns: { id: number; name: string; type: string }[]): string {
  const schema = columns.map(
    ({ id, name, type }) => `${id}: {name: ${literal(name)}, type: ${literal(type)}, default_value: NULL}`,
  )
  return `read_parquet(${paths}, hive_partitioning = false, schema = MAP {${schema.join(', ')}})`
}
