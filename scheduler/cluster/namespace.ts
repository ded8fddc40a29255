import { createHash } from 'node:crypto'

/** One name for one store, whoever connects to it as whom: keys in Redis and marks on processes carry it. */
export function storeNamespace(url: string): string {
  const { host, pathname } = new URL(url)
  return createHash('sha256').update(`${host}${pathname}`).digest('hex').slice(0, 32)
}
