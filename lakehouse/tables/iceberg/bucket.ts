import type { AvroValue } from './values.js'

/** The bucket of a value: `bucket[N]` of the specification ("Bucket Transform Details"). */
export function bucketOf(value: Exclude<AvroValue, null>, buckets: number): number {
  return (murmur3(hashedBytes(value)) & 0x7fffffff) % buckets
}

/** By the specification, Appendix B ("32-bit Hash Requirements"): every whole number, day and instant is hashed as a long. */
function hashedBytes(value: Exclude<AvroValue, null>): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return value
  if (typeof value === 'boolean') throw new Error('the specification has no buckets of booleans')
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(value))
  return bytes
}

/** MurmurHash3 (Austin Appleby, public domain), its variant x86 of 32 bits with seed 0. */
function murmur3(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const whole = bytes.length - (bytes.length % 4)
  let hash = 0
  for (let at = 0; at < whole; at += 4) {
    hash = rotated(hash ^ scrambled(view.getInt32(at, true)), 13)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8) | view.getUint8(at)
  hash ^= scrambled(rest)
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function scrambled(block: number): number {
  return Math.imul(rotated(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593)
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
