import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, SluiceError } from '../../errors.js'

interface Holder {
  /** 0 once released */
  pid: number
  /** the kernel's start time of the process, so that a reused pid is not taken for the holder; '' where unknown */
  startedAt: string
}

const NOBODY: Holder = { pid: 0, startedAt: '' }
const ATTEMPTS = 100

/**
 * Holds the folder for this process: PGlite has no lock of its own and two openers would ruin it. The lock of a dead process is
 * taken over.
 *
 * The lock is the file `lock.N` with the highest N, with the holder's pid and start time in it. Whoever finds that one dead
 * or released makes `lock.N+1` by `link`, which only one of several can win, and then removes those before. The highest is never
 * removed, so nobody can take away a lock that another has just taken over; a release only says so in the file.
 * @returns releases the lock
 * @throws SluiceError STORE_LOCKED naming the holder, NOT_WRITABLE
 */
export function lockFolder(folder: string): () => void {
  const draft = join(folder, `draft.${process.pid}.${process.hrtime.bigint()}`)
  write(folder, draft, { pid: process.pid, startedAt: startTime(process.pid) ?? '' })
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const newest = newestLock(folder)
      const holder = newest === 0 ? NOBODY : read(lockFile(folder, newest))
      if (holder !== null && isAlive(holder)) throw lockedBy(holder, folder)
      if (holder !== null && taken(folder, newest + 1, draft)) return () => release(folder, newest + 1)
    }
    throw new SluiceError('STORE_LOCKED', `The folder ${folder} is being locked and released by others all the time.`)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Whether `lock.number` is now ours: nobody was quicker, and nobody has gone on from a later one meanwhile. */
function taken(folder: string, number: number, draft: string): boolean {
  if (!linked(draft, lockFile(folder, number))) return false
  if (newestLock(folder) !== number) {
    rmSync(lockFile(folder, number), { force: true })
    return false
  }
  for (const older of lockNumbers(folder)) if (older < number) rmSync(lockFile(folder, older), { force: true })
  return true
}

function lockFile(folder: string, number: number): string {
  return join(folder, `lock.${number}`)
}

function newestLock(folder: string): number {
  return Math.max(0, ...lockNumbers(folder))
}

function lockNumbers(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => {
    const number = /^lock\.([1-9]\d*)$/.exec(name)?.[1]
    return number === undefined ? [] : [Number(number)]
  })
}

function write(folder: string, draft: string, holder: Holder): void {
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 })
  } catch (error) {
    throw new SluiceError('NOT_WRITABLE', `Sluice cannot write to its store folder ${folder}.`, { cause: error })
  }
}

function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw new SluiceError('NOT_WRITABLE', `The store cannot be locked: ${path} cannot be made.`, { cause: error })
  }
}

function read(path: string): Holder | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw new SluiceError('STORE_LOCKED', `The lock ${path} cannot be read; remove it if no Sluice runs there.`, {
      cause: error,
    })
  }
}

function release(folder: string, number: number): void {
  const released = join(folder, `draft.${process.pid}.released`)
  write(folder, released, NOBODY)
  renameSync(released, lockFile(folder, number))
}

function isAlive(holder: Holder): boolean {
  if (holder.pid === NOBODY.pid) return false
  const startedAt = startTime(holder.pid)
  if (startedAt !== null) return holder.startedAt === '' || startedAt === holder.startedAt
  if (process.platform === 'linux') return false
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, under another user
    return codeOf(error) === 'EPERM'
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

function lockedBy(holder: Holder, folder: string): SluiceError {
  return new SluiceError('STORE_LOCKED', `Another Sluice (pid ${holder.pid}) uses the store folder ${folder}.`)
}
