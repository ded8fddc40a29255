import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)
const packageJson = require.resolve('sluice/package.json')

/** The folder of Sluice's own package: where migrations, views and other files that are not compiled live. */
export const PACKAGE_ROOT = dirname(packageJson)

export const PACKAGE_VERSION = (require(packageJson) as { version: string }).version

/**
 * The compiled entry file of a process or thread, for example `scheduler/worker/slot.js`. Always below `dist/`, also
 * when the caller runs from source (tests), because Node 20 cannot run TypeScript.
 */
export function processEntry(path: string): string {
  return join(PACKAGE_ROOT, 'dist', path)
}
