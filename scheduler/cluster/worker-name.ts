import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { codeOf, isSluiceError } from '../../errors.js'
import { type FolderLock, lockFolder } from '../store/folder-lock.js'

const WORKERS_AT_MOST = 1_000

/** A worker's name and the folder only it uses. */
export interface WorkerName extends FolderLock {
  /** of this process alone, on whatever machine: `host-1-3fa92c01`; hosts of one name must not keep each other's claims */
  id: string
  /** of its place on this machine, the same after a restart: `host-1` */
  place: string
  /** the id of the process that was here before; null for the first, or one that nobody knows */
  before: string | null
  /** absolute; private folders of attempts are made below it */
  folder: string
}

/**
 * The first free number on this machine. Its place is the same after a restart, so that a worker finds and ends what the one
 * before it left running.
 * @param root absolute folder for the workers of one project
 */
export function takeWorkerName(root: string, namespace: string): WorkerName {
  for (let number = 1; number <= WORKERS_AT_MOST; number++) {
    const folder = join(root, `${namespace.slice(0, 8)}-${number}`)
    try {
      const lock = lockFolder(folder)
      const place = `${hostname()}-${number}`
      const id = `${place}-${randomBytes(4).toString('hex')}`
      const before = lastName(folder)
      writeFileSync(join(folder, 'name'), id)
      return { id, place, before, folder, ...lock }
    } catch (error) {
      if (!isSluiceError(error) || error.code !== 'STORE_LOCKED') throw error
    }
  }
  throw new Error(`${WORKERS_AT_MOST} workers run on this machine already`)
}

function lastName(folder: string): string | null {
  try {
    return readFileSync(join(folder, 'name'), 'utf8').trim() || null
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}
