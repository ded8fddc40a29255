import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Ends a process group when this process ends, however it does: a server of gigabytes must not stay behind a test that was
 * killed. The end of the guard's pipe is what tells it.
 * @param group id of a group, that is of a child that was spawned `detached`
 * @returns to be killed once the group has ended
 */
export function guardOf(group: number): ChildProcess {
  // `-s`: the shell of Debian takes a negative number after `-KILL --` for none
  const script = 'read -r _; kill -s KILL -- "-$1"'
  return spawn('sh', ['-c', script, 'sh', String(group)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
}
