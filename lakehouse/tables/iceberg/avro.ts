import { randomBytes } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import avro, { type Schema, type Type } from 'avsc'
import { messageOf, SluiceError } from '../../../errors.js'
import type { JsonObject } from '../../../json.js'

const MAGIC = Buffer.from('Obj\u0001', 'latin1')
const SYNC_BYTES = 16

/** 64-bit integers as bigint: snapshot ids use all of their digits. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
})

const HEADER = avro.Type.forSchema({ type: 'map', values: 'bytes' })

export interface AvroFile {
  /** the schema it was written with, with the attributes that are not Avro's own, such as `field-id` */
  schema: JsonObject
  metadata: Record<string, string>
  records: unknown[]
}

/**
 * Reads an Avro object container file.
 * @param name for messages
 * @throws SluiceError TABLE_CORRUPT when it is none, TABLE_UNSUPPORTED for compressions that Iceberg does not write
 */
export function readAvro(content: Buffer, name: string): AvroFile {
  try {
    return decode(content, name)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('TABLE_CORRUPT', `${name} is not a readable Avro file: ${messageOf(error)}.`, {
      cause: error,
    })
  }
}

/** Writes an Avro object container file in one block. */
export function writeAvro(schema: JsonObject, metadata: Record<string, string>, records: unknown[]): Buffer {
  const type = recordType(schema)
  const header: Record<string, Buffer> = {}
  const facts = { ...metadata, 'avro.schema': JSON.stringify(schema), 'avro.codec': 'deflate' }
  for (const [key, value] of Object.entries(facts)) header[key] = Buffer.from(value)
  const sync = randomBytes(SYNC_BYTES)
  const block = deflateRawSync(Buffer.concat(records.map((record) => type.toBuffer(record))))
  const body = records.length === 0 ? [] : [long(records.length), long(block.length), block, sync]
  return Buffer.concat([MAGIC, HEADER.toBuffer(header), sync, ...body])
}

function decode(content: Buffer, name: string): AvroFile {
  if (!content.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new SluiceError('TABLE_CORRUPT', `${name} does not begin as an Avro file does.`)
  }
  const { value, offset } = HEADER.decode(content, MAGIC.length)
  const metadata = Object.fromEntries(
    Object.entries(value as Record<string, Buffer>).map(([key, bytes]) => [key, bytes.toString('utf8')]),
  )
  const codec = metadata['avro.codec'] ?? 'null'
  if (codec !== 'null' && codec !== 'deflate') {
    const message = `${name} is compressed with ${codec}; Sluice reads Avro files compressed with deflate or not at all.`
    throw new SluiceError('TABLE_UNSUPPORTED', message, { retryable: false })
  }
  const schema = JSON.parse(metadata['avro.schema'] ?? '') as JsonObject
  return { schema, metadata, records: blocks(content, offset + SYNC_BYTES, recordType(schema), codec) }
}

function blocks(content: Buffer, start: number, type: Type, codec: string): unknown[] {
  const records: unknown[] = []
  let at = start
  while (at < content.length) {
    const count = COUNT.decode(content, at)
    const size = COUNT.decode(content, count.offset)
    const end = size.offset + (size.value as number)
    if (end > content.length) throw new Error('it ends in the middle of a block')
    const stored = content.subarray(size.offset, end)
    const block = codec === 'deflate' ? inflateRawSync(stored) : stored
    let offset = 0
    for (let index = 0; index < (count.value as number); index++) {
      const decoded = type.decode(block, offset)
      if (decoded.offset < 0) throw new Error('it ends in the middle of a record')
      records.push(decoded.value)
      offset = decoded.offset
    }
    at = end + SYNC_BYTES
  }
  return records
}

const COUNT = avro.Type.forSchema('long')

function long(value: number): Buffer {
  return COUNT.toBuffer(value)
}

function recordType(schema: JsonObject): Type {
  return avro.Type.forSchema(schema as unknown as Schema, {
    registry: { long: LONG },
    // the registry is not asked for a long with attributes, such as those of a timestamp
    typeHook: (one) => ((one as { type?: unknown }).type === 'long' ? LONG : undefined),
    wrapUnions: false,
  })
}
