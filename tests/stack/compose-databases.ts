import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../package-root.js'

/**
 * What the image of PostgreSQL does with the scripts that compose.yaml mounts, on an empty volume.
 * @param environment PGPASSWORD of the superuser `postgres`, and the passwords that the script reads
 */
export function makeDatabases(port: number, environment: Record<string, string>): void {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-initdb-'))
  try {
    const script = join(folder, '10-databases.sh')
    copyFileSync(join(PACKAGE_ROOT, 'docker/postgres/databases.sh'), script)
    copyFileSync(join(PACKAGE_ROOT, 'docker/postgres/iceberg-catalog.sql'), join(folder, 'iceberg-catalog.txt'))
    execFileSync('bash', ['-c', '. "$0"', script], {
      env: { PATH: process.env.PATH, PGHOST: '127.0.0.1', PGPORT: String(port), ...environment },
      stdio: 'pipe',
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
