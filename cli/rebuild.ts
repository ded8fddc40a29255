import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../errors.js'
import { PACKAGE_ROOT, processEntry } from '../package-root.js'

/** Folders whose files a running Sluice is compiled from. */
const SOURCES = ['cli', 'webserver', 'scheduler', 'operators', 'lakehouse'] as const
/** What the last step of a build writes. */
const BUILT = processEntry('scheduler/dag/is-good-dag.cjs')

/**
 * Compiles Sluice where its source has changed since it was compiled (`npm ci` has compiled it once): a start after a pull
 * takes a build, any other start takes none. Ends the process with the build's exit code when it fails.
 */
export function rebuildWhenStale(): void {
  if (!isStale(PACKAGE_ROOT, BUILT)) return
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: PACKAGE_ROOT, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/**
 * Whether a source file has changed since the last build, or nothing was built yet. Files that were deleted do not
 * tell.
 * @param root folder of the package; one that was installed has no source and is never stale
 * @param built file written at the end of a build
 */
export function isStale(root: string, built: string): boolean {
  const builtAt = changedAt(built)
  const sources = [
    ...['package.json', 'tsconfig.json', ...filesIn(root, false)].map((name) => join(root, name)),
    ...SOURCES.flatMap((folder) => filesIn(join(root, folder), true).map((name) => join(root, folder, name))),
  ]
  return sources.some((path) => changedAt(path) > builtAt)
}

function filesIn(folder: string, recursive: boolean): string[] {
  try {
    return readdirSync(folder, { recursive, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

/** Milliseconds; -Infinity for a file that is not there. */
function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY
}
