import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { codeOf, SluiceError } from '../../errors.js'
import { isAlive, ownIdentity, type ProcessIdentity } from '../process-identity.js'

interface Holder extends Pick<ProcessIdentity, 'pid' | 'startedAt'> {
  /** absent in locks of earlier versions, which knew no other places */
  place?: string
  host?: string
}

/** A lock that is held. */
export interface FolderLock {
  release(): void
  /** resolves when another has taken it over, because this process was not heard of for too long: it must not write any more */
  lost: Promise<Error>
}

/** pid 0 once released */
const NOBODY: Holder = { pid: 0, startedAt: '' }
const ATTEMPTS = 100
/** Between two signs of life. */
const BEAT_MS = 3_000
/** A holder of whose process nothing can be known, as it is elsewhere, is dead when it was not heard of for so long. */
export const SILENT_MS = 20_000

/**
 * Holds the folder for this process: PGlite has no lock of its own and two openers would ruin it. The lock of a dead process is
 * taken over: at once where it ran in our place, after `SILENT_MS` where it ran in another container or on another machine.
 *
 * The lock is the file `lock.N` with the highest N, with the holder's identity in it. Whoever finds that one dead
 * or released makes `lock.N+1` by `link`, which only one of several can win, and then removes those before. The highest is never
 * removed, so nobody can take away a lock that another has just taken over; a release only says so in the file. While it is
 * held the file is touched, so that its age tells those who cannot see the process; ages are compared by the clock of the
 * file system, which both of them see.
 * @throws SluiceError STORE_LOCKED naming the holder, NOT_WRITABLE
 */
export function lockFolder(folder: string): FolderLock {
  const own = ownIdentity()
  const draft = join(folder, `draft.${process.pid}.${process.hrtime.bigint()}`)
  write(folder, draft, { ...own, host: hostname() })
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const newest = newestLock(folder)
      const holder = newest === 0 ? NOBODY : read(lockFile(folder, newest))
      if (holder === null) continue
      if (holder.pid !== NOBODY.pid) assertDead(folder, holder, own, ageMs(draft, lockFile(folder, newest)))
      if (taken(folder, newest + 1, draft)) return held(folder, newest + 1)
    }
    throw new SluiceError('STORE_LOCKED', `The folder ${folder} is being locked and released by others all the time.`)
  } finally {
    rmSync(draft, { force: true })
  }
}

function assertDead(folder: string, holder: Holder, own: ProcessIdentity, silentMs: number): void {
  const { pid, place = own.place, host = '' } = holder
  if (place === own.place) {
    if (!isAlive(holder)) return
    throw new SluiceError('STORE_LOCKED', `Another Sluice (pid ${pid}) uses the store folder ${folder}.`)
  }
  if (silentMs >= SILENT_MS) return
  const heard = `pid ${pid} on ${host}, in another container or on another machine, heard of ${Math.round(silentMs / 1000)} s ago`
  throw new SluiceError('STORE_LOCKED', `Another Sluice (${heard}) uses the store folder ${folder}.`, {
    hint: `Stop that one. If it was killed, its folder is free ${SILENT_MS / 1000} s after it was last heard of.`,
  })
}

/**
 * How long ago the lock was touched when the draft was written; 0 for one that has gone meanwhile. One that was touched later than that, by a
 * clock that has gone back since (a machine that starts without the time), would be heard of until the clock is there again: it is touched
 * now, so that its silence counts from here. Whoever holds it does the same every few seconds.
 */
function ageMs(draft: string, lock: string): number {
  const touched = statSync(lock, { throwIfNoEntry: false })
  if (touched === undefined) return 0
  const age = statSync(draft).mtimeMs - touched.mtimeMs
  if (age < 0) unlessFails(() => touch(lock))
  return Math.max(0, age)
}

/** Shows signs of life until it is released, and looks whether anybody has missed them. */
function held(folder: string, number: number): FolderLock {
  let lose: (error: Error) => void = () => undefined
  const lost = new Promise<Error>((resolve) => {
    lose = resolve
  })
  const beat = () => {
    if (newestLock(folder) <= number) return touch(lockFile(folder, number))
    clearInterval(beats)
    lose(new SluiceError('STORE_LOCKED', `Another Sluice has taken over the store folder ${folder}.`))
  }
  const beats = setInterval(() => unlessFails(beat), BEAT_MS).unref()
  const release = () => {
    clearInterval(beats)
    if (newestLock(folder) === number) free(folder, number)
  }
  return { release, lost }
}

/** A folder that does not answer for a moment is asked again with the next beat; a store that lies in it fails by itself. */
function unlessFails(beat: () => void): void {
  try {
    beat()
  } catch (error) {
    if (codeOf(error) === '') throw error
  }
}

/** Writes the first byte as it is: readers find the whole file at any moment, and the file system's clock gives the time. */
function touch(path: string): void {
  const file = openSync(path, 'r+')
  try {
    writeSync(file, '{', 0)
  } finally {
    closeSync(file)
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

function free(folder: string, number: number): void {
  const released = join(folder, `draft.${process.pid}.released`)
  write(folder, released, NOBODY)
  renameSync(released, lockFile(folder, number))
}
