import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import avro from 'avsc'
import { parquetReadObjects } from 'hyparquet'
import type { IndependentRead } from '../independent-reader.js'

interface Metadata {
  'last-sequence-number': number
  snapshots: { 'manifest-list': string; summary: Record<string, string> }[]
}

const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: () => Buffer.alloc(8),
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: () => 0,
})

/** The bytes of a file of the table, by its path as the table's metadata has it. */
export type BytesOf = (path: string) => Promise<Buffer>

/**
 * Reads an Iceberg table with nothing of Sluice's own: Avro with its library's container reader, data files
 * with hyparquet. The newest snapshot is the last one; delete files are not known here.
 * @param bytesOf where its files are, by default in folders
 */
export async function readIceberg(
  metadataLocation: string,
  bytesOf: BytesOf = async (path) => readFileSync(path),
): Promise<IndependentRead> {
  const metadata = JSON.parse(String(await bytesOf(metadataLocation))) as Metadata
  const current = metadata.snapshots.at(-1)
  const rows: Record<string, unknown>[] = []
  if (current === undefined) return { version: 0, rows, tokens: [] }
  for (const manifest of await records(await bytesOf(current['manifest-list']))) {
    for (const entry of await records(await bytesOf(String(manifest.manifest_path)))) {
      if (entry.status === 2) continue
      const { file_path: path, record_count: count } = entry.data_file as { file_path: string; record_count: bigint }
      const found = await readParquet(await bytesOf(path))
      if (BigInt(found.length) !== count)
        throw new Error(`${path} has ${found.length} rows, the manifest says ${count}`)
      rows.push(...found)
    }
  }
  const tokens = metadata.snapshots.flatMap(({ summary }) => summary['sluice.token'] ?? [])
  return { version: metadata['last-sequence-number'], rows, tokens }
}

async function records(bytes: Buffer): Promise<Record<string, unknown>[]> {
  const decoder = new avro.streams.BlockDecoder({
    parseHook: (schema) => avro.Type.forSchema(schema, { registry: { long: LONG }, wrapUnions: false }),
  })
  const found: Record<string, unknown>[] = []
  for await (const record of Readable.from([bytes]).pipe(decoder)) found.push(record)
  return found
}

async function readParquet(bytes: Buffer): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({ file: new Uint8Array(bytes).buffer })
}
