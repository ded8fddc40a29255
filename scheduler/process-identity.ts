import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { codeOf } from '../errors.js'

/** A process, told apart from those that have its number at other times and in other places. */
export interface ProcessIdentity {
  pid: number
  /** the kernel's start time of the process; '' where unknown */
  startedAt: string
  /** where its number counts: a boot of a machine and a PID namespace, or the name of the machine where these are not known */
  place: string
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startedAt: startTime(process.pid) ?? '', place: ownPlace() }
}

/**
 * Whether the process runs. Where its start time is not known it counts as running when any process has its number.
 * @param identity of a process whose number counts here
 */
export function isAlive({ pid, startedAt }: Pick<ProcessIdentity, 'pid' | 'startedAt'>): boolean {
  const since = startTime(pid)
  if (since !== null) return startedAt === '' || since === startedAt
  if (process.platform === 'linux') return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, under another user
    return codeOf(error) === 'EPERM'
  }
}

/** Containers on one machine share its boot, but not their numbers; a machine keeps its name when it boots, but no process. */
function ownPlace(): string {
  const boot = known(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
  const namespace = known(() => readlinkSync('/proc/self/ns/pid'))
  return boot === '' || namespace === '' ? hostname() : `${boot} ${namespace}`
}

function known(read: () => string): string {
  try {
    return read()
  } catch {
    return '' // a system without it
  }
}

/** Field 22 of /proc/PID/stat; null for a process that is not there, and on systems without /proc. */
function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null // not there; the caller asks the kernel in another way
  }
}
