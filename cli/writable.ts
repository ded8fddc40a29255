import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, SluiceError } from '../errors.js'

const REASONS: Record<string, string> = {
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a file stands where a folder should',
  EEXIST: 'a file stands where a folder should',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
}

/**
 * Makes the folder, if need be, and proves that files can be made in it: asking for permissions would not notice a full
 * or read-only disk.
 * @throws SluiceError NOT_WRITABLE
 */
export async function ensureWritable(folder: string): Promise<void> {
  const probe = join(folder, `.writable-${randomUUID()}`)
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(probe, 'x', { flag: 'wx' })
    await rm(probe)
  } catch (error) {
    const reason = REASONS[codeOf(error)]
    if (reason === undefined) throw error
    throw new SluiceError('NOT_WRITABLE', `Sluice cannot write to ${folder}: ${reason}.`, { cause: error })
  }
}
