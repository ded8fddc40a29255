import { SluiceError } from '../../errors.js'
import type { ObjectInfo } from './object-store.js'

/** What is said of an object that its table names and the store does not hold as the table describes it. */
export function objectMissing(location: string, size: number, found: ObjectInfo | null): SluiceError {
  const truth = found === null ? 'does not exist' : `has ${found.size} bytes where its table says ${size}`
  return new SluiceError('OBJECT_MISSING', `${location} ${truth}.`, { retryable: false })
}
