import { homedir } from 'node:os'
import type { ClaimedTask } from '../store/store.js'

/** Marks every process of one claim, wherever it moves in the process tree; children inherit it. */
export const CLAIM_MARKER = 'SLUICE_CLAIM'
/** Marks every process that one Sluice (one store) has started, slots and tasks. */
export const INSTANCE_MARKER = 'SLUICE_INSTANCE'

/** What of the worker's own environment a task may see: no secret of the service is among it. */
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR', 'USER', 'LOGNAME', 'SSL_CERT_FILE']

/**
 * The environment of a task's processes.
 * @param showsInterval false leaves the data interval out: only what a task names is an input of it (`skip_if_done`)
 * @param own the `env` of the task, secrets resolved; it may replace the base, never the markers
 */
export function taskEnvironment(
  worker: Record<string, string | undefined>,
  own: Record<string, string>,
  claim: ClaimedTask,
  showsInterval: boolean,
): Record<string, string> {
  return {
    ...baseEnvironment(worker),
    ...own,
    SLUICE_DAG: claim.dagId,
    SLUICE_RUN: claim.runId,
    SLUICE_TASK: claim.taskId,
    SLUICE_ATTEMPT: String(claim.attempt),
    ...(showsInterval ? intervalOf(claim) : {}),
    [CLAIM_MARKER]: claim.claimToken,
    [INSTANCE_MARKER]: worker[INSTANCE_MARKER] ?? '',
  }
}

/** What programs get who work for no task: no secret of the service is in it. */
export function baseEnvironment(worker: Record<string, string | undefined>): Record<string, string> {
  const base: Record<string, string> = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: homedir(),
    LANG: 'C.UTF-8',
    TZ: 'UTC',
  }
  for (const name of PASSED_ON) {
    const value = worker[name]
    if (value !== undefined) base[name] = value
  }
  return base
}

function intervalOf({ intervalStart, intervalEnd }: ClaimedTask): Record<string, string> {
  return {
    SLUICE_INTERVAL_START: new Date(intervalStart).toISOString(),
    SLUICE_INTERVAL_END: new Date(intervalEnd).toISOString(),
  }
}
