import { randomUUID } from 'node:crypto'
import { SluiceError } from '../../errors.js'

/** The part of a store that the test needs. */
interface ConditionalWriter {
  putIfAbsent(key: string, content: Uint8Array): Promise<'created' | 'exists'>
  delete(keys: readonly string[]): Promise<void>
}

const CONTENT = Buffer.from('Sluice tests here whether this store keeps its word on If-None-Match.\n')

/**
 * Tests that a store refuses to create an object twice. All that keeps two writers of one table apart is this refusal,
 * and some stores ignore the header without a word.
 * @param prefix a key prefix for objects of Sluice's own
 * @throws SluiceError OBJECT_STORE_UNSAFE when the second write succeeds
 */
export async function assertConditionalWrites(store: ConditionalWriter, prefix: string, name: string): Promise<void> {
  const key = `${prefix}conditional-write-test-${randomUUID()}`
  try {
    const first = await store.putIfAbsent(key, CONTENT)
    const second = await store.putIfAbsent(key, CONTENT)
    if (first === 'created' && second === 'exists') return
  } finally {
    await store.delete([key])
  }
  const message = `${name} ignores If-None-Match: a second writer replaced what the first had written.`
  throw new SluiceError('OBJECT_STORE_UNSAFE', message, { retryable: false })
}
