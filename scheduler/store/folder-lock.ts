import { linkSync, mkdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../../errors.js'
import { isErrnoException } from './errno.js'

interface Holder {
  pid: number
  /** the kernel's start time of the process, so that a reused pid is not taken for the holder; '' where unknown */
  startedAt: string
}

const ATTEMPTS = 20

/**
 * Holds the folder for this process: PGlite has no lock of its own and two openers would ruin it. The lock is a file with
 * the holder's pid and start time, made by `link`, which only one of several can win. The lock of a dead process is taken over.
 * @returns releases the lock
 * @throws SluiceError STORE_LOCKED naming the holder, NOT_WRITABLE
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock')
  const me: Holder = { pid: process.pid, startedAt: startTime(process.pid) ?? '' }
  const draft = join(folder, `lock.${process.pid}.${process.hrtime.bigint()}`)
  write(folder, draft, me)
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (linked(draft, path)) return () => release(path, me)
      const holder = read(path)
      if (holder !== null && isAlive(holder)) throw lockedBy(holder, folder)
      if (holder !== null) takeAway(path, holder)
    }
    throw new SluiceError('STORE_LOCKED', `The folder ${folder} is being locked and released by others all the time.`)
  } finally {
    rmSync(draft, { force: true })
  }
}

function write(folder: string, draft: string, me: Holder): void {
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(draft, JSON.stringify(me), { mode: 0o600 })
  } catch (error) {
    throw new SluiceError('NOT_WRITABLE', `Sluice cannot write to its store folder ${folder}.`, { cause: error })
  }
}

function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (isErrnoException(error, 'EEXIST')) return false
    throw new SluiceError('NOT_WRITABLE', `The store cannot be locked: ${path} cannot be made.`, { cause: error })
  }
}

function read(path: string): Holder | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder
  } catch (error) {
    if (isErrnoException(error, 'ENOENT')) return null
    throw new SluiceError('STORE_LOCKED', `The lock ${path} cannot be read; remove it if no Sluice runs there.`, {
      cause: error,
    })
  }
}

/** Removes the lock of a dead process, unless another one has taken it over between the look and now. */
function takeAway(path: string, dead: Holder): void {
  const grave = `${path}.dead.${process.pid}`
  try {
    linkSync(path, grave)
    const found = read(grave)
    if (found !== null && found.pid === dead.pid && found.startedAt === dead.startedAt) unlinkSync(path)
  } catch (error) {
    if (!isErrnoException(error, 'ENOENT') && !isErrnoException(error, 'EEXIST')) throw error
  } finally {
    rmSync(grave, { force: true })
  }
}

function release(path: string, me: Holder): void {
  const holder = read(path)
  if (holder?.pid === me.pid && holder.startedAt === me.startedAt) unlinkSync(path)
}

function isAlive(holder: Holder): boolean {
  const startedAt = startTime(holder.pid)
  if (startedAt !== null) return holder.startedAt === '' || startedAt === holder.startedAt
  if (process.platform === 'linux') return false
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, under another user
    return isErrnoException(error, 'EPERM')
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
