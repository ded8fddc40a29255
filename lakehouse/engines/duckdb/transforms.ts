import { identifier } from '../../sql.js'
import { type ColumnType, decimalOf } from '../../tables/schema.js'
import type { PartitionTransform } from '../../tables/table.js'
import type { DuckdbSession } from './session.js'
import { duckdbType } from './types.js'

/**
 * The value of a partition transform as SQL, by the Iceberg specification ("Partition Transforms").
 * @param session learns the functions that DuckDB lacks
 */
export function transformed(partition: PartitionTransform, type: ColumnType, session: DuckdbSession): string {
  const { column, transform, width } = partition
  const value = identifier(column)
  const wall = `CAST(${value} AS TIMESTAMP)`
  switch (transform) {
    case 'identity':
      return value
    case 'year':
      return `CAST(year(${wall}) - 1970 AS INTEGER)`
    case 'month':
      return `CAST((year(${wall}) - 1970) * 12 + month(${wall}) - 1 AS INTEGER)`
    case 'day':
      return `CAST(system.main.date_diff('day', DATE '1970-01-01', CAST(${wall} AS DATE)) AS INTEGER)`
    case 'hour':
      // DuckDB's own counts the hours that begin in between; ours, which is Trino's, whole hours
      return `CAST(system.main.date_diff('hour', TIMESTAMP '1970-01-01', ${wall}) AS INTEGER)`
    case 'truncate': {
      if (type === 'string') return `left(${value}, ${width})`
      // of decimals the unscaled value is truncated
      const step = `CAST(${width} / ${10n ** BigInt(decimalOf(type)?.scale ?? 0)} AS ${duckdbType(type)})`
      return `CAST(${value} - (((${value} % ${step}) + ${step}) % ${step}) AS ${duckdbType(type)})`
    }
    case 'bucket': {
      const name = `sluice_bucket_${width}_${duckdbType(type).replace(/\W+/g, '_').toLowerCase()}`
      session.define(name, partition.bucketOf)
      return `${identifier(name)}(CAST(${value} AS VARCHAR))`
    }
    case 'void':
      return 'NULL::INTEGER'
  }
}
