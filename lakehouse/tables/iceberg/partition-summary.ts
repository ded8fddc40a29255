import type { ColumnType, TableField } from '../schema.js'
import type { ManifestEntry } from './manifests.js'
import type { PartitionSpec } from './metadata.js'
import { resultType } from './partitions.js'
import { type AvroValue, serializedValue } from './values.js'

/** Types whose values compare here as they do for Iceberg. */
const COMPARABLE = new Set(['integer', 'long', 'date', 'time', 'timestamp', 'timestamp_ntz', 'string'])

interface FieldSummary {
  contains_null: boolean
  contains_nan: boolean | null
  lower_bound: Buffer | null
  upper_bound: Buffer | null
}

/**
 * The bounds of a manifest's partitions. Readers take a missing bound for "all are NULL" and skip the manifest, so where
 * a bound is not certain there is no summary at all.
 */
export function partitionSummaries(
  spec: PartitionSpec,
  fields: TableField[],
  entries: ManifestEntry[],
): FieldSummary[] | null {
  const summaries: FieldSummary[] = []
  for (const [index, { transform, 'source-id': source }] of spec.fields.entries()) {
    const sourceType = fields.find((field) => field.id === source)?.type ?? 'string'
    const type = resultType(transform, sourceType)
    if (typeof type !== 'string' || !COMPARABLE.has(type)) return null
    summaries.push(
      summaryOf(
        entries.map((entry) => entry.data_file.partition[index] ?? null),
        type,
      ),
    )
  }
  return summaries
}

function summaryOf(values: AvroValue[], type: ColumnType): FieldSummary {
  const known = values.filter((value) => value !== null).sort(compare)
  const [first = null] = known
  const last = known.at(-1) ?? null
  return {
    contains_null: known.length < values.length,
    contains_nan: false,
    lower_bound: first === null ? null : serializedValue(first, type),
    upper_bound: last === null ? null : serializedValue(last, type),
  }
}

function compare(a: AvroValue, b: AvroValue): number {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return Number(a) - Number(b)
}
