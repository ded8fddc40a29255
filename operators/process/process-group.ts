import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../errors.js'

/** How long a process may take to end after TERM before it gets KILL. */
const GRACE_MS = 5_000
const FIRST_POLL_MS = 10
const LAST_POLL_MS = 320
/** After KILL only the kernel's work remains; a process that outlives this hangs in the kernel. */
const KILL_WAIT_MS = 2_000
/** Longer than a process takes to change its program. */
const APPEARS_MS = 20

export interface ProcessInfo {
  pid: number
  name: string
}

/** Sends a signal to every process of the group; false when the group has no member left. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal)
    return true
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
    if (codeOf(error) === 'EPERM') return true
    throw error
  }
}

/**
 * TERM, then KILL after `GRACE_MS`, for what is left of a group and for processes that left it (`setsid`) but still carry
 * the marker in their environment.
 * @param marker `NAME=value` as it stands in the environment of every process of the tree; null looks at the group only
 */
export async function endTree(group: number, marker: string | null, graceMs = GRACE_MS): Promise<void> {
  signalTree(group, marker, 'SIGTERM')
  if ((await treeEnded(group, marker, graceMs)) && !(await appears(marker))) return
  signalTree(group, marker, 'SIGKILL')
  await treeEnded(group, marker, KILL_WAIT_MS)
}

/** A process that is just changing its program shows no environment for a moment: what was seen to be gone is looked for again. */
async function appears(marker: string | null): Promise<boolean> {
  if (marker === null) return false
  await delay(APPEARS_MS)
  return processesWith(marker).length > 0
}

/** The living members of a group. Zombies do not count: where no init reaps them they would stay for ever. */
export function groupMembers(group: number): ProcessInfo[] {
  if (!signalGroup(group, 0)) return []
  const all = processes()
  if (all === null) return [{ pid: group, name: 'process group' }]
  return all.filter((p) => p.group === group && p.state !== 'Z').map(({ pid, name }) => ({ pid, name }))
}

/**
 * Living processes with `NAME=value` in their environment, wherever they moved in the process tree; how a worker finds
 * what a killed slot left behind. Empty where the system has no /proc.
 */
export function processesWith(marker: string): ProcessInfo[] {
  return processesWhose('environ', marker)
}

/** Living processes that were given this word as one of their arguments. Empty where the system has no /proc. */
export function processesGiven(argument: string): ProcessInfo[] {
  return processesWhose('cmdline', argument)
}

/** @param entry a list of words in /proc, each with a NUL behind it */
function processesWhose(entry: 'environ' | 'cmdline', word: string): ProcessInfo[] {
  const wanted = Buffer.from(`${word}\0`)
  return (processes() ?? [])
    .filter((p) => p.state !== 'Z' && p.pid !== process.pid && holdsWord(`/proc/${p.pid}/${entry}`, wanted))
    .map(({ pid, name }) => ({ pid, name }))
}

function signalTree(group: number, marker: string | null, signal: NodeJS.Signals): void {
  // The escaped ones first: while their parents live they are complete.
  const escaped = marker === null ? [] : processesWith(marker)
  signalGroup(group, signal)
  for (const { pid } of escaped) signalProcess(pid, signal)
}

/** Sends a signal to one process; one that has ended, or is somebody else's, is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error
  }
}

async function treeEnded(group: number, marker: string | null, withinMs: number): Promise<boolean> {
  // Most programs end at once; for those that do not, looking through /proc less and less often is enough.
  let pauseMs = FIRST_POLL_MS
  for (let waitedMs = 0; ; waitedMs += pauseMs, pauseMs = Math.min(pauseMs * 2, LAST_POLL_MS)) {
    const left = groupMembers(group).length > 0 || (marker !== null && processesWith(marker).length > 0)
    if (!left) return true
    if (waitedMs >= withinMs) return false
    await delay(Math.min(pauseMs, withinMs - waitedMs))
  }
}

interface ProcessEntry extends ProcessInfo {
  state: string
  group: number
}

/** Every process by /proc; null where there is none (macOS). */
function processes(): ProcessEntry[] | null {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
  return names.flatMap((name) => (/^\d+$/.test(name) ? (readEntry(Number(name)) ?? []) : []))
}

function readEntry(pid: number): ProcessEntry | null {
  const stat = readProc(`/proc/${pid}/stat`)?.toString('latin1')
  // The name stands in parentheses and may hold any character, so the fields count from the last one.
  const close = stat?.lastIndexOf(')') ?? -1
  if (stat === undefined || close === -1) return null
  const [state, , group] = stat.slice(close + 2).split(' ')
  return { pid, name: stat.slice(stat.indexOf('(') + 1, close), state: state ?? '', group: Number(group) }
}

function holdsWord(path: string, wanted: Buffer): boolean {
  const words = readProc(path)
  if (words === null) return false
  for (let at = words.indexOf(wanted); at !== -1; at = words.indexOf(wanted, at + 1)) {
    if (at === 0 || words[at - 1] === 0) return true
  }
  return false
}

/** null when the process has ended meanwhile or belongs to somebody else. */
function readProc(path: string): Buffer | null {
  try {
    return readFileSync(path)
  } catch (error) {
    if (/^(ENOENT|ESRCH|EACCES|EPERM)$/.test(codeOf(error))) return null
    throw error
  }
}
