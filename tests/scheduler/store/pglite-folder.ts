import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PACKAGE_ROOT, processEntry } from '../../../package-root.js'
import { openStore } from '../../../scheduler/store/open-store.js'

const CACHE = join(PACKAGE_ROOT, 'node_modules/.cache/sluice')
const MIGRATIONS = join(PACKAGE_ROOT, 'scheduler/store/migrations')

/**
 * A store folder with an initialised PGlite, copied from a template that the first test on this machine makes: `initdb`
 * takes seconds, a copy does not.
 */
export function storeFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-store-'))
  cpSync(initialised(), join(folder, 'pgdata'), { recursive: true })
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** A store folder of today's schema, which opens sooner still. */
export async function migratedFolder(): Promise<{ folder: string; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-store-'))
  await giveStore(folder)
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Puts an empty store of today's schema into the folder, for tests that are not about how a store comes to be. */
export async function giveStore(folder: string): Promise<void> {
  const hash = createHash('sha256')
  for (const name of readdirSync(MIGRATIONS).sort()) hash.update(readFileSync(join(MIGRATIONS, name)))
  const ready = join(CACHE, `store-${hash.digest('hex').slice(0, 12)}`)
  if (!existsSync(ready)) {
    const made = storeFolder()
    await (await openStore(made.folder, 0)).store.close()
    mkdirSync(CACHE, { recursive: true })
    const fresh = mkdtempSync(join(CACHE, 'store-'))
    cpSync(join(made.folder, 'pgdata'), fresh, { recursive: true })
    made.remove()
    keep(fresh, ready)
  }
  cpSync(ready, join(folder, 'pgdata'), { recursive: true })
}

function initialised(): string {
  const ready = join(CACHE, 'pgdata')
  if (existsSync(ready)) return ready
  mkdirSync(CACHE, { recursive: true })
  const fresh = mkdtempSync(join(CACHE, 'pgdata-'))
  execFileSync(process.execPath, [processEntry('scheduler/store/pglite-init.js'), fresh])
  keep(fresh, ready)
  return ready
}

function keep(fresh: string, ready: string): void {
  try {
    renameSync(fresh, ready)
  } catch (error) {
    // Another test process was quicker; its template is as good.
    rmSync(fresh, { recursive: true, force: true })
    if (!existsSync(ready)) throw error
  }
}
