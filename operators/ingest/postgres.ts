import { join } from 'node:path'
import type { SchemaElement } from 'hyparquet'
import { SluiceError } from '../../errors.js'
import { identifier } from '../../lakehouse/sql.js'
import type { OperatorContext } from '../operator.js'
import { namingOf, type Prepared } from './files.js'
import { type PostgresResult, withPostgresResult } from './postgres-cursor.js'
import { assertFits, type CarriedColumn, carried } from './postgres-types.js'
import type { IngestSource } from './source-schema.js'

/**
 * The rows of a table or query, streamed into a local file. The file holds what the database printed, as text; the engine
 * casts it to the types of the columns, so nothing in between rounds or shifts a value.
 */
export async function postgresRows(from: IngestSource, ctx: OperatorContext): Promise<Prepared> {
  const { connection: name = '', table, query } = from
  const select = query ?? `select * from ${tableIdentifier(table ?? '')}`
  const what = table === undefined ? `a query on ${name}` : `${table} of ${name}`
  ctx.log('info', `Reading ${what}`)
  const path = join(ctx.workDir, 'rows.parquet')
  const around = { project: ctx.project, signal: ctx.signal }
  const { columns, rows } = await withPostgresResult({ name, config: ctx.connection(name) }, select, around, (result) =>
    written(result, path, ctx),
  )
  ctx.log('info', `Read ${rows.toLocaleString('en-US')} rows of ${columns.length} columns`)
  return {
    source: {
      kind: 'files',
      paths: [path],
      origins: [`${name}/${table ?? 'query'}`],
      format: 'parquet',
      columns: Object.fromEntries(columns.map((column) => [column.name, column.type])),
      options: {},
      ...namingOf(from),
      ingestedAt: ctx.now(),
      runId: ctx.run.id,
    },
    read: what,
    outputs: { rows_read: rows },
  }
}

function tableIdentifier(table: string): string {
  return table.split('.').map(identifier).join('.')
}

async function written(
  result: PostgresResult,
  path: string,
  ctx: OperatorContext,
): Promise<{ columns: CarriedColumn[]; rows: number }> {
  const columns = result.columns.map((column) => carried(column, result.types.get(column.dataTypeID) ?? null))
  assertNamedOnce(columns)
  const { fileWriter, ParquetWriter } = await import('hyparquet-writer')
  const writer = new ParquetWriter({ writer: fileWriter(path), schema: schemaOf(columns), statistics: false })
  let rows = 0
  for await (const batch of result.batches()) {
    const columnData = columns.map((column, index) => ({
      name: column.name,
      data: batch.map((row) => storedValue(column, row[index] ?? null)),
    }))
    await writer.write({ columnData, rowGroupSize: batch.length })
    rows += batch.length
    ctx.progress({ done: rows, unit: 'rows' })
  }
  writer.finish()
  return { columns, rows }
}

function storedValue(column: CarriedColumn, text: string | null): string | Uint8Array | null {
  if (text === null) return null
  // hex output: \x and two digits for each byte
  if (column.binary) return Buffer.from(text.slice(2), 'hex')
  assertFits(column, text)
  return text
}

function schemaOf(columns: readonly CarriedColumn[]): SchemaElement[] {
  const elements = columns.map(({ name, binary }): SchemaElement => {
    const base: SchemaElement = { name, type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' }
    return binary ? base : { ...base, converted_type: 'UTF8' }
  })
  return [{ name: 'root', num_children: elements.length }, ...elements]
}

/** The database tells names apart by their case and may give one twice; tables do neither. */
function assertNamedOnce(columns: readonly CarriedColumn[]): void {
  const seen = new Set<string>()
  for (const { name } of columns) {
    const key = name.toLowerCase()
    if (seen.has(key)) {
      const message = `The rows have two columns ${name}.`
      throw new SluiceError('SCHEMA_MISMATCH', message, { hint: 'Name them with AS in a query.', retryable: false })
    }
    seen.add(key)
  }
}
