import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../errors.js'
import { processesWith } from '../../operators/process/process-group.js'
import type { Log } from '../loop/ports.js'
import { INSTANCE_MARKER } from './task-environment.js'

/** A process may start others while it is being looked for; killing is repeated until nothing is found. */
const ROUNDS = 50
const PAUSE_MS = 20

export interface Killed {
  /** names of the processes that were killed and are gone */
  killed: string[]
  /** what could not be ended: it belongs to another user, hangs in the kernel, or starts itself anew too quickly */
  left: { pid: number; name: string }[]
}

/**
 * Kills every process that carries the marker in its environment, wherever it moved in the process tree, and waits until
 * they are gone, about a second at most. Where the system has no /proc nothing is found.
 * @param marker `NAME=value`
 * @param rounds how often it looks and kills before it gives up
 */
export async function killMarked(marker: string, rounds = ROUNDS): Promise<Killed> {
  const killed = new Map<number, string>()
  let found = processesWith(marker)
  for (let round = 0; round < rounds && found.length > 0; round += 1) {
    for (const { pid, name } of found) {
      killed.set(pid, name)
      kill(pid)
    }
    await delay(PAUSE_MS)
    found = processesWith(marker)
  }
  for (const { pid } of found) killed.delete(pid)
  return { killed: [...killed.values()], left: found }
}

/** Ends what a predecessor of this process has left running, and says what it did and what it could not do. */
export async function endLeftProcesses(instance: string, log: Log, rounds = ROUNDS): Promise<void> {
  const { killed, left } = await killMarked(`${INSTANCE_MARKER}=${instance}`, rounds)
  if (killed.length > 0) log.warn({ processes: killed }, 'ended processes that an earlier Sluice had left running')
  if (left.length === 0) return
  log.error({ processes: left }, 'processes that an earlier Sluice had left running could not be ended')
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    const code = codeOf(error)
    // gone meanwhile, or somebody else's
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
  }
}
