import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PACKAGE_ROOT, processEntry } from '../../../package-root.js'

/**
 * A store folder with an initialised PGlite, copied from a template that the first test on this machine makes: `initdb`
 * takes seconds, a copy does not.
 */
export function storeFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-store-'))
  cpSync(template(), join(folder, 'pgdata'), { recursive: true })
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

function template(): string {
  const cache = join(PACKAGE_ROOT, 'node_modules/.cache/sluice')
  const ready = join(cache, 'pgdata')
  if (existsSync(ready)) return ready
  mkdirSync(cache, { recursive: true })
  const fresh = mkdtempSync(join(cache, 'pgdata-'))
  execFileSync(process.execPath, [processEntry('scheduler/store/pglite-init.js'), fresh])
  try {
    renameSync(fresh, ready)
  } catch (error) {
    // Another test process was quicker; its template is as good.
    rmSync(fresh, { recursive: true, force: true })
    if (!existsSync(ready)) throw error
  }
  return ready
}
