import { messageOf } from '../../errors.js'
import type { AttemptFacts, ClaimedTask } from '../store/store.js'
import { NO_FACTS } from './execution.js'
import { finishLog } from './log-repair.js'
import type { LogStore } from './log-store.js'
import { killMarked } from './orphans.js'
import { CLAIM_MARKER } from './task-environment.js'
import { removeWork, workPath } from './work-folder.js'

/**
 * Clears up after an attempt whose slot cannot do it any more: kills the processes it has left, says in its log why it
 * ends, and removes its private folder.
 * @returns what is known of it, and what could not be done (null when all was)
 */
export async function clearUpAttempt(
  claim: ClaimedTask,
  reason: string,
  { logs, work }: { logs: LogStore; work: string },
  now: number,
): Promise<{ facts: AttemptFacts; failure: string | null }> {
  try {
    const { killed, left } = await killMarked(`${CLAIM_MARKER}=${claim.claimToken}`)
    const said = [{ level: 'error' as const, message: `The attempt was cut off: ${reason}.` }]
    if (killed.length > 0)
      said.push({ level: 'error', message: `Killed what it had left running: ${killed.join(', ')}.` })
    const alive = left.map(({ pid, name }) => `${name} (${pid})`).join(', ')
    if (alive !== '') said.push({ level: 'error', message: `Could not end what it had left running: ${alive}.` })
    const written = await finishLog(logs, claim, said, now)
    await removeWork(workPath(work, claim.claimToken))
    const failure = alive === '' ? null : `could not end ${alive}`
    return { facts: { ...NO_FACTS, logLines: written.lines, logBytes: written.bytes }, failure }
  } catch (error) {
    return { facts: NO_FACTS, failure: messageOf(error) }
  }
}
