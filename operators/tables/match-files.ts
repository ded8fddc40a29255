import { realpath, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { SluiceError } from '../../errors.js'
import { leadsOutside, nameBelow, realRoots, rootOf } from '../project-path.js'

/** A glob that matches more is a mistake more often than a wish. */
export const MAX_FILES = 10_000

/**
 * The files that globs match: in the order of the globs, below each sorted by path, none twice.
 * @param globs relative to `folder`, or absolute; one that names an existing file means that file, whatever characters it holds
 * @param options.roots absolute folders that no file may lie outside of, the project first; symbolic links are resolved
 * @returns absolute real paths
 * @throws SluiceError FILES_NOT_FOUND for a glob without a match, PATH_OUTSIDE, OPERATOR_FAILED above `MAX_FILES`
 */
export async function matchFiles(
  globs: readonly string[],
  options: { folder: string; roots: readonly string[]; signal: AbortSignal },
): Promise<string[]> {
  const roots = realRoots(options.roots)
  const files = new Set<string>()
  for (const pattern of globs) {
    const matches = await match(pattern, { ...options, roots })
    if (matches.length === 0) {
      const message = `No file matches ${pattern} in ${nameBelow(options.folder, options.roots) || 'the project folder'}.`
      throw new SluiceError('FILES_NOT_FOUND', message)
    }
    if (matches.length > MAX_FILES) throw tooMany(pattern)
    for (const path of matches) files.add(await insideRoots(path, roots, pattern))
    if (files.size > MAX_FILES) throw tooMany(pattern)
  }
  return [...files]
}

function tooMany(pattern: string): SluiceError {
  const message = `${pattern} matches more than ${MAX_FILES.toLocaleString('en-US')} files.`
  return new SluiceError('OPERATOR_FAILED', message, { hint: 'Narrow the glob.', retryable: false })
}

async function match(
  pattern: string,
  options: { folder: string; roots: readonly string[]; signal: AbortSignal },
): Promise<string[]> {
  const literal = resolve(options.folder, pattern)
  if (await isFile(literal)) return [literal]
  const cwd = await realpath(options.folder)
  // Checked before the search, which else would walk through folders that are none of its business.
  if (rootOf(await realOf(staticPart(cwd, pattern)), options.roots) === null) throw leadsOutside(pattern)
  if (!isDynamicPattern(pattern)) return []
  const found = await glob(pattern, {
    cwd,
    absolute: true,
    onlyFiles: true,
    expandDirectories: false,
    signal: options.signal,
  })
  return found.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    // Whatever the reason, the pattern is then a glob, and says so itself when it matches nothing.
    return false
  }
}

/** The path with symbolic links resolved, as far as it exists. */
async function realOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    return path
  }
}

/** The folder that a glob searches: what stands before its first wildcard. */
function staticPart(cwd: string, pattern: string): string {
  const segments = pattern.split('/')
  const dynamic = segments.findIndex((segment) => isDynamicPattern(segment))
  if (dynamic === -1) return resolve(cwd, pattern)
  // Behind a wildcard `..` could climb anywhere, so it counts from the start.
  const climbing = segments.slice(dynamic).filter((segment) => segment === '..')
  return resolve(cwd, segments.slice(0, dynamic).join('/') || (pattern.startsWith('/') ? '/' : '.'), ...climbing)
}

async function insideRoots(path: string, roots: readonly string[], pattern: string): Promise<string> {
  const real = await realpath(path)
  if (rootOf(real, roots) === null) throw leadsOutside(pattern)
  return real
}
