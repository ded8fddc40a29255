import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, messageOf, SluiceError } from '../errors.js'
import { isAlive, ownIdentity } from '../scheduler/process-identity.js'
import type { InstanceFile } from '../scheduler/shapes.js'

/** Where a running Sluice says that it runs; only its owner may read it, since it holds a token. */
export function instancePath(project: string): string {
  return join(project, '.sluice', 'instance.json')
}

/**
 * What the last Sluice on the project left; it may be long gone (`isRunning`).
 * @returns null when there is none
 * @throws SluiceError NOT_RUNNING when the file cannot be understood
 */
export function readInstance(project: string): InstanceFile | null {
  const file = instancePath(project)
  try {
    const { url, token, pid, process_start, place } = JSON.parse(readFileSync(file, 'utf8')) as Partial<InstanceFile>
    if (typeof url !== 'string' || typeof token !== 'string' || typeof pid !== 'number')
      throw new TypeError('url, token or pid is missing')
    return { url, token, pid, process_start: process_start ?? '', place: place ?? '' }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new SluiceError('NOT_RUNNING', `${file} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      hint: 'Remove the file, then start Sluice with `sluice up`.',
    })
  }
}

/** Says that this process serves there. Whole or not at all: commands may read it at any moment. */
export async function writeInstance(project: string, address: Pick<InstanceFile, 'url' | 'token'>): Promise<void> {
  const file = instancePath(project)
  await mkdir(join(project, '.sluice'), { recursive: true })
  const draft = `${file}.${process.pid}`
  rmSync(draft, { force: true }) // mode counts only for a file that is created
  const { pid, startedAt, place } = ownIdentity()
  const instance: InstanceFile = { ...address, pid, process_start: startedAt, place }
  writeFileSync(draft, `${JSON.stringify(instance)}\n`, { mode: 0o600, flag: 'wx' })
  await rename(draft, file)
}

/** Removes our own file, not that of a successor. Synchronous, so that it can be the last thing a process does. */
export function removeInstance(project: string): void {
  try {
    const instance = readInstance(project)
    if (instance !== null && isOwn(instance)) rmSync(instancePath(project), { force: true })
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error // what cannot be understood is not ours
  }
}

/**
 * A Sluice that was killed leaves its file behind; its process tells, and not another that has got its number since.
 * @returns null where that cannot be seen from here: it was started in another container or on another machine, and only its URL tells
 */
export function isRunning({ pid, process_start: startedAt, place }: InstanceFile): boolean | null {
  return place === '' || place === ownIdentity().place ? isAlive({ pid, startedAt }) : null
}

/** Whether this process has left the file. In a container each one may have the number of the one before. */
export function isOwn({ pid, process_start: startedAt, place }: InstanceFile): boolean {
  const own = ownIdentity()
  return pid === own.pid && (startedAt === own.startedAt || startedAt === '') && (place === own.place || place === '')
}
