import { resolve, sep } from 'node:path'
import { SluiceError } from '../errors.js'

/** Whether an absolute path is a folder or lies below it; symbolic links are the caller's to resolve. */
export function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

/** False when a path or glob, read from `folder`, begins outside of `project`, whatever its wildcards and templates stand for. */
export function beginsInside(glob: string, folder: string, project: string): boolean {
  const fixed = glob.slice(0, glob.search(/[*?[\]{}()!+@]|$/))
  return isInside(resolve(folder, fixed), project)
}

/**
 * The refusal of a path, which no retry mends.
 * @param what the path as the DAG file has it, with its key where that helps
 */
export function leadsOutside(what: string): SluiceError {
  return new SluiceError('PATH_OUTSIDE', `${what} leads outside the project.`, { retryable: false })
}
