import { setTimeout as delay } from 'node:timers/promises'
import { processesWith } from '../../operators/process/process-group.js'

/** A process may start others while it is being looked for; killing is repeated until nothing is found. */
const ROUNDS = 50
const PAUSE_MS = 20

/**
 * Kills every process that carries the marker in its environment, wherever it moved in the process tree, and waits until
 * they are gone. Where the system has no /proc nothing is found.
 * @param marker `NAME=value`
 * @returns the names of the processes that were killed
 */
export async function killMarked(marker: string): Promise<string[]> {
  const killed = new Map<number, string>()
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = processesWith(marker)
    if (found.length === 0) break
    for (const { pid, name } of found) {
      killed.set(pid, name)
      kill(pid)
    }
    await delay(PAUSE_MS)
  }
  return [...killed.values()]
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // gone meanwhile, or somebody else's
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
  }
}
