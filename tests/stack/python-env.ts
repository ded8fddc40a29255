import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../package-root.js'

const PACKAGES = ['deltalake==1.6.6', 'pyarrow==26.0.1']
const SCRIPTS = join(PACKAGE_ROOT, 'tests/stack/python')

/** A virtual environment with the independent readers, made at first use and kept beside the other caches. */
export function pythonWithDelta(): string {
  const venv = join(
    PACKAGE_ROOT,
    'node_modules/.cache/sluice',
    `venv-${PACKAGES.join('-').replace(/[^a-z0-9.]+/g, '_')}`,
  )
  const python = join(venv, 'bin/python')
  const ready = join(venv, 'installed')
  if (existsSync(ready)) return python
  execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' })
  execFileSync(python, ['-m', 'pip', 'install', '-q', ...PACKAGES], { stdio: 'inherit' })
  execFileSync(python, ['-c', `open(${JSON.stringify(ready)}, "w").close()`])
  return python
}

export function runScript(script: string, args: string[]): string {
  return execFileSync(pythonWithDelta(), [join(SCRIPTS, script), ...args], { encoding: 'utf8' })
}
