import { realpathSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { codeOf, SluiceError } from '../errors.js'

/** Whether an absolute path is a folder or lies below it; symbolic links are the caller's to resolve. */
export function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

/**
 * The first of the folders that an absolute path lies in; null for none. Symbolic links are the caller's to resolve.
 * @param roots where files of DAGs may lie: the project, and the DAGs folder, which a checkout may put elsewhere
 */
export function rootOf(path: string, roots: readonly string[]): string | null {
  return roots.find((root) => isInside(path, root)) ?? null
}

/** A path for people: below the root that it lies in, and as it is outside of them. */
export function nameBelow(path: string, roots: readonly string[]): string {
  const root = rootOf(path, roots)
  return root === null ? path : relative(root, path)
}

/** The folders with symbolic links resolved. One that is not there has no files: a worker needs no DAGs folder. */
export function realRoots(roots: readonly string[]): string[] {
  return [...new Set(roots.flatMap(realRoot))]
}

function realRoot(root: string): string[] {
  try {
    return [realpathSync.native(root)]
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
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
