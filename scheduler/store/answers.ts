import type { Database } from './database.js'

/** Who asks whether a process is ready rarely waits for longer. */
const READY_WITHIN_MS = 2_000

/**
 * Whether the store can be worked with at this moment.
 * @throws SluiceError STORE_FAILED when it refuses, an Error when it has not answered within two seconds
 */
export async function assertAnswers(database: Pick<Database, 'query'>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the store has not answered for ${READY_WITHIN_MS} ms`)), READY_WITHIN_MS)
  })
  try {
    await Promise.race([database.query('select 1'), late])
  } finally {
    clearTimeout(timer)
  }
}
