import { DeadlinePassed, within } from '../../deadline.js'

const TIMEOUT_MS = 2_000

/**
 * What a page of Spark (driver, master, worker) answers within two seconds.
 * @returns null when it refuses, or has more than `maxBytes` to say
 * @throws what `isSilence` knows when nobody answers; the signal's reason
 */
export async function pageText(
  url: string,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<string | null> {
  return within(TIMEOUT_MS, signal, async (bounded) => {
    const response = await fetch(url, { signal: bounded })
    if (!response.ok || response.body === null) return null
    const parts: Uint8Array[] = []
    let bytes = 0
    for await (const part of response.body) {
      bytes += part.byteLength
      if (bytes > maxBytes) return null
      parts.push(part)
    }
    return Buffer.concat(parts).toString('utf8')
  })
}

/** Whether a page did not answer, or not in time. */
export function isSilence(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof DeadlinePassed ||
    (error instanceof DOMException && error.name === 'AbortError')
  )
}
