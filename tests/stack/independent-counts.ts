import { randomBytes } from 'node:crypto'
import type { SparkSql } from './spark-sql.js'
import { trino } from './trino-query.js'

/** A table as readers other than Sluice know it: an Iceberg table of the shared catalog, or the location of a Delta table. */
export type KnownTable = { iceberg: string } | { delta: string }

/** Rows, and distinct values of a column, as Spark and Trino count them: [rows, distinct]. */
export async function independentCounts(
  spark: SparkSql,
  table: KnownTable,
  column = 'n',
): Promise<{ spark: unknown; trino: unknown }> {
  const counts = `SELECT count(*), count(DISTINCT ${column}) FROM`
  if ('iceberg' in table) {
    const [[bySpark], [byTrino]] = await Promise.all([
      spark.sql(`${counts} lake.${table.iceberg}`),
      trino(`${counts} iceberg.${table.iceberg}`),
    ])
    return { spark: bySpark, trino: byTrino }
  }
  const [bySpark] = await spark.sql(`${counts} delta.\`${table.delta.replace(/^s3:/, 's3a:')}\``)
  return { spark: bySpark, trino: await deltaAtTrino(table.delta, counts) }
}

/** Trino knows a Delta table once it is registered; nothing of that stays. */
async function deltaAtTrino(location: string, counts: string): Promise<unknown> {
  const schema = `t${randomBytes(6).toString('hex')}`
  await trino(`CREATE SCHEMA delta.${schema}`)
  try {
    await trino(`CALL delta.system.register_table('${schema}', 'counted', '${location}')`)
    const [row] = await trino(`${counts} delta.${schema}.counted`)
    await trino(`CALL delta.system.unregister_table('${schema}', 'counted')`)
    return row
  } finally {
    await trino(`DROP SCHEMA delta.${schema}`)
  }
}
