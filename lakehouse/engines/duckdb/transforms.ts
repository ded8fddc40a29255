import { identifier } from '../../sql.js'
import type { ColumnType } from '../../tables/schema.js'
import type { PartitionTransform } from '../../tables/table.js'
import { duckdbType } from './types.js'

/** The value of a partition transform as SQL, by the Iceberg specification ("Partition Transforms"). */
export function transformed({ column, transform, width }: PartitionTransform, type: ColumnType): string {
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
      return `CAST(date_diff('day', DATE '1970-01-01', CAST(${wall} AS DATE)) AS INTEGER)`
    case 'hour':
      return `CAST(date_diff('hour', TIMESTAMP '1970-01-01', ${wall}) AS INTEGER)`
    case 'truncate':
      if (type === 'string') return `left(${value}, ${width})`
      return `CAST(${value} - (((${value} % ${width}) + ${width}) % ${width}) AS ${duckdbType(type)})`
    case 'void':
      return 'NULL::INTEGER'
  }
}
