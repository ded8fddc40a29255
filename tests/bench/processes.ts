import { readdirSync, readFileSync } from 'node:fs'

/** The process and everything below it, from /proc (Linux). */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const tree: number[] = []
  const queue = [root]
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    tree.push(pid)
    queue.push(...(children.get(pid) ?? []))
  }
  return tree
}

/** Proportional set size in MB: shared pages are counted once over all processes that share them. */
export function pssMb(pids: readonly number[]): number {
  let kb = 0
  for (const pid of pids)
    kb += Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
  return kb / 1024
}

/** CPU seconds used so far by these processes (user and system). */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const fields = statFields(pid)
    return Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)
  })
  return ticks.reduce((sum, value) => sum + value, 0) / 100
}

function parentOf(pid: number): number | null {
  const parent = statFields(pid)?.[1]
  return parent === undefined ? null : Number(parent)
}

/** Fields of /proc/PID/stat after the command's name, so that a name with blanks or brackets does no harm. */
function statFields(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null // ended meanwhile
  }
}
