import type { Stats } from 'node:fs'
import { lstat, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { glob } from 'tinyglobby'
import { codeOf, SluiceError } from '../../errors.js'
import { mapBounded } from '../../lakehouse/objects/concurrency.js'
import { realRoots, rootOf } from '../../operators/project-path.js'
import type { Config } from '../config.js'
import type { ListedFile, Listing } from './file-watch.js'

/** A folder with more is one that nobody clears; looking through it again and again helps nobody. */
const MAX_FILES = 100_000
const STATS_AT_ONCE = 16

/**
 * The files that a glob matches in the project and the DAGs folder, sorted by path; what leads outside of them is left out.
 * @param pattern relative to the DAGs folder, or absolute
 * @throws SluiceError TRIGGER_FAILED for more than 100,000 files
 */
export async function listProject(
  pattern: string,
  marker: string | null,
  config: Pick<Config, 'project' | 'dags'>,
): Promise<Listing> {
  const roots = realRoots([config.project, config.dags])
  const cwd = await realpath(config.dags)
  const found = await glob(pattern, { cwd, absolute: true, onlyFiles: true, expandDirectories: false })
  if (found.length > MAX_FILES) {
    const message = `${pattern} matches more than ${MAX_FILES.toLocaleString('en-US')} files.`
    throw new SluiceError('TRIGGER_FAILED', message, {
      hint: 'Narrow the glob, or move files away once they are done.',
    })
  }
  const folders = new Map<string, string | null>()
  for (const folder of new Set(found.map(dirname))) folders.set(folder, await insideOrNull(folder, roots))
  const paths = found.filter((path) => basename(path) !== marker).sort((a, b) => (a < b ? -1 : 1))
  const files = await mapBounded(paths, STATS_AT_ONCE, (path) =>
    listed(path, folders.get(dirname(path)) ?? null, roots),
  )
  const inside = [...new Set(folders.values())].filter((folder) => folder !== null)
  const markers =
    marker === null
      ? []
      : await mapBounded(inside, STATS_AT_ONCE, (folder) => listed(join(folder, marker), folder, roots))
  return { files: files.filter((file) => file !== null), markers: markers.filter((file) => file !== null) }
}

async function insideOrNull(path: string, roots: readonly string[]): Promise<string | null> {
  try {
    const real = await realpath(path)
    return rootOf(real, roots) === null ? null : real
  } catch (error) {
    return goneOrThrow(error)
  }
}

/** @param folder the real path of its folder; null when it leads outside */
async function listed(path: string, folder: string | null, roots: readonly string[]): Promise<ListedFile | null> {
  if (folder === null) return null
  try {
    let [real, stats]: [string, Stats] = [join(folder, basename(path)), await lstat(path)]
    if (stats.isSymbolicLink()) {
      const target = await insideOrNull(path, roots)
      if (target === null) return null
      ;[real, stats] = [target, await stat(target)]
    }
    if (!stats.isFile()) return null
    return { path: real, size: stats.size, stamp: String(stats.mtimeMs), isWhole: false }
  } catch (error) {
    return goneOrThrow(error)
  }
}

/** What goes away while it is looked at is not there. */
function goneOrThrow(error: unknown): null {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return null
  throw error
}
