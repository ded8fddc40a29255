import type { Json } from '../../../json.js'
import { identifier } from '../../sql.js'
import type { TableField } from '../../tables/schema.js'
import type { DataFile, TableSnapshot } from '../../tables/table.js'
import { type FileSet, relation } from './relation.js'
import type { TableWrite } from './table-write.js'

/** Types whose bounds compare safely in JavaScript: dates as text, integers while they are exact. */
const PRUNABLE = new Set(['byte', 'short', 'integer', 'long', 'date'])

interface KeyRange {
  field: TableField
  partition: boolean
  min: string | number
  max: string | number
}

/**
 * The files of a snapshot that may hold a key of the staged rows, by the bounds in the log. Leaving out too few costs
 * time, leaving out too many would lose updates: without a usable bound a file stays in.
 */
export async function filesWithKeysIn(
  write: TableWrite,
  staged: FileSet,
  snapshot: TableSnapshot,
): Promise<DataFile[]> {
  const files = [...snapshot.files.values()]
  const ranges = await keyRanges(write, staged)
  return files.filter((file) => ranges.every((range) => overlaps(file, range)))
}

async function keyRanges(write: TableWrite, staged: FileSet): Promise<KeyRange[]> {
  const fields = staged.fields.filter((field) => {
    return write.keys.includes(field.name) && typeof field.type === 'string' && PRUNABLE.has(field.type)
  })
  if (fields.length === 0) return []
  const bounds = fields.flatMap(({ name }, index) => [
    `min(${identifier(name)})::VARCHAR AS min${index}`,
    `max(${identifier(name)})::VARCHAR AS max${index}`,
  ])
  const [row] = await write.session.rows(`SELECT ${bounds.join(', ')} FROM (${relation(staged)})`, {
    signal: write.signal,
  })
  return fields.flatMap((field, index) => {
    const min = comparable(field, row?.[`min${index}`] as Json)
    const max = comparable(field, row?.[`max${index}`] as Json)
    const partition = staged.partitionColumns.includes(field.name)
    return min === null || max === null ? [] : [{ field, partition, min, max }]
  })
}

function overlaps(file: DataFile, { field, partition, min, max }: KeyRange): boolean {
  const value = file.partitionValues[field.name] ?? null
  const bounds = partition ? { min: value, max: value } : file.bounds(field.name)
  const low = comparable(field, bounds.min)
  const high = comparable(field, bounds.max)
  if (low === null || high === null) return true
  return low <= max && high >= min
}

/** null for what does not compare exactly: integers beyond 2^53, dates outside the years 0000 to 9999 */
function comparable(field: TableField, value: Json): string | number | null {
  if (field.type === 'date') return typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? value : null
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : null
}
