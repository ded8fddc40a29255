import { basename } from 'node:path'
import { SluiceError } from '../../errors.js'

export type FileFormat = 'csv' | 'ndjson' | 'json' | 'parquet'

const FORMATS: ReadonlyMap<string, { format: FileFormat; delimiter?: string }> = new Map([
  ['csv', { format: 'csv' }],
  ['tsv', { format: 'csv', delimiter: '\t' }],
  ['ndjson', { format: 'ndjson' }],
  ['jsonl', { format: 'ndjson' }],
  ['json', { format: 'json' }],
  ['parquet', { format: 'parquet' }],
])

/**
 * The format that the extensions of all files agree on; `.gz` and `.zst` behind it do not count.
 * @throws SluiceError OPERATOR_FAILED for an unknown extension or a mixture
 */
export function formatOf(paths: readonly string[]): { format: FileFormat; delimiter?: string } {
  let extension: string | null = null
  for (const path of paths) {
    const found = extensionOf(path)
    if (!FORMATS.has(found)) {
      throw unclear(`${basename(path)} has no extension that names a format`)
    }
    if (extension !== null && found !== extension) throw unclear(`the files mix .${extension} and .${found}`)
    extension = found
  }
  const format = FORMATS.get(extension ?? '')
  if (format === undefined) throw unclear('there is no file')
  return format
}

function extensionOf(path: string): string {
  const name = basename(path)
    .toLowerCase()
    .replace(/\.(gz|zst)$/, '')
  return name.includes('.') ? name.slice(name.lastIndexOf('.') + 1) : ''
}

function unclear(what: string): SluiceError {
  const known = [...FORMATS.keys()].map((extension) => `.${extension}`)
  return new SluiceError('OPERATOR_FAILED', `ingest: ${what} (known: ${known.join(', ')}).`, {
    hint: 'Say `format: csv`, ndjson, json or parquet, or match files of one kind only.',
    retryable: false,
  })
}
