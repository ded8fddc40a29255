import { SluiceError } from '../../errors.js'
import type { WriteSource } from '../../lakehouse/lakehouse.js'
import type { OperatorContext } from '../operator.js'
import { formatOf } from '../tables/file-format.js'
import type { IngestSource } from './source-schema.js'

export type FilesSource = Extract<WriteSource, { kind: 'files' }>

/** Rows that lie in local files and wait to be written to a table. */
export interface Prepared {
  source: FilesSource
  /** what was read, for the task's summary: `3 files` */
  read: string
  outputs: Record<string, number>
}

/** A file as it can be read here, and what people call it. */
export interface LocalFile {
  path: string
  /** path relative to the project, or s3:// URL */
  name: string
  size: number
}

/**
 * The source that some files make, by the rules of `from`.
 * @throws SluiceError OPERATOR_FAILED when their format is unclear, options do not belong to it, or all are empty
 */
export function filesSource(from: IngestSource, files: readonly LocalFile[], ctx: OperatorContext): FilesSource {
  const names = files.map(({ name }) => name)
  const found = from.format === undefined ? formatOf(names) : { format: from.format }
  const options: FilesSource['options'] = {}
  const delimiter = from.delimiter ?? ('delimiter' in found ? found.delimiter : undefined)
  if (delimiter !== undefined) options.delimiter = delimiter
  if (from.header !== undefined) options.header = from.header
  if (from.null_value !== undefined) options.nullValue = from.null_value
  if (found.format !== 'csv' && (from.columns !== undefined || Object.keys(options).length > 0)) {
    const message = `ingest: columns, delimiter, header and null_value belong to CSV, but the format is ${found.format}.`
    throw new SluiceError('OPERATOR_FAILED', message, { retryable: false })
  }
  return {
    kind: 'files',
    paths: files.map(({ path }) => path),
    origins: names,
    format: found.format,
    columns: from.columns ?? null,
    options,
    ...namingOf(from),
    ingestedAt: ctx.now(),
    runId: ctx.run.id,
  }
}

/** What `from` says of the names of columns. */
export function namingOf({ names, rename }: IngestSource): Pick<FilesSource, 'naming'> {
  if (names === undefined && rename === undefined) return {}
  return { naming: { names: names ?? 'as_is', rename: rename ?? {} } }
}

/**
 * The files that are not empty. An empty file would be a table without columns, and `overwrite` would leave just that.
 * @throws SluiceError OPERATOR_FAILED when all of them are
 */
export function withContent<File extends { name: string; size: number }>(found: File[], ctx: OperatorContext): File[] {
  const files = found.filter(({ size }) => size > 0)
  const empty = found.filter(({ size }) => size === 0).map(({ name }) => name)
  if (files.length === 0) {
    const what = empty.length === 1 ? `${empty[0]} is` : `All ${empty.length} files are`
    throw new SluiceError('OPERATOR_FAILED', `${what} empty (0 bytes), without so much as the names of columns.`)
  }
  if (empty.length > 0) ctx.log('warn', `Passed over because they are empty: ${empty.slice(0, 10).join(', ')}`)
  return files
}

/** How many files were read, as a phrase for logs. */
export function countOf(files: readonly unknown[]): string {
  return files.length === 1 ? '1 file' : `${files.length} files`
}

/** Tells in the log what is read; of several files only the first is named. There is at least one. */
export function logFiles(files: readonly { name: string }[], ctx: OperatorContext): void {
  const [first] = files
  const what = files.length === 1 ? first?.name : `${files.length} files, first ${first?.name}`
  ctx.log('info', `Reading ${what}`)
}
