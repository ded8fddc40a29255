import { hostname } from 'node:os'
import { join } from 'node:path'
import { isSluiceError } from '../../errors.js'
import { lockFolder } from '../store/folder-lock.js'

const WORKERS_AT_MOST = 1_000

/** A worker's name and the folder only it uses. */
export interface WorkerName {
  id: string
  /** absolute; private folders of attempts are made below it */
  folder: string
  release(): void
}

/**
 * The first free number on this machine. It is the same after a restart, so that a worker finds and ends what the one
 * before it left running.
 * @param root absolute folder for the workers of one project
 */
export function takeWorkerName(root: string, namespace: string): WorkerName {
  for (let number = 1; number <= WORKERS_AT_MOST; number++) {
    const folder = join(root, `${namespace.slice(0, 8)}-${number}`)
    try {
      const release = lockFolder(folder)
      return { id: `${hostname()}-${number}`, folder, release }
    } catch (error) {
      if (!isSluiceError(error) || error.code !== 'STORE_LOCKED') throw error
    }
  }
  throw new Error(`${WORKERS_AT_MOST} workers run on this machine already`)
}
