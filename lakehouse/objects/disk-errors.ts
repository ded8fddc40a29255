import { codeOf, SluiceError } from '../../errors.js'

const DISK = /^(ENOSPC|EDQUOT|EIO|EACCES|EPERM|EROFS|ENOTDIR)$/
const FULL = /^(ENOSPC|EDQUOT)$/

/** What to do about a disk that is full, whoever met it. */
export const FULL_DISK_HINT = 'Make room on the disk, or raise its quota; then the task may run again.'

/** What a local disk says that is full, broken or not ours. */
export function isDiskError(error: unknown): boolean {
  return DISK.test(codeOf(error))
}

/** Runs what writes to the cache of object stores; a disk that does not take it is told with its folder. */
export async function onCacheDisk<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SluiceError || !isDiskError(error)) throw error
    throw new SluiceError('NOT_WRITABLE', `The cache folder ${folder} does not take a file (${codeOf(error)}).`, {
      cause: error,
      hint: 'Make room or mend its permissions, or name another one as `cache.folder` in sluice.yaml.',
    })
  }
}

/** Runs what writes to a lakehouse in a folder; a disk that does not take it is told with the path. */
export async function onLakeDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SluiceError || !isDiskError(error)) throw error
    const code = codeOf(error)
    throw new SluiceError('NOT_WRITABLE', `Sluice cannot write to the lakehouse at ${path} (${code}).`, {
      cause: error,
      ...(FULL.test(code) ? { hint: FULL_DISK_HINT } : {}),
    })
  }
}
