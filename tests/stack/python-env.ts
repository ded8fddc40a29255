import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../package-root.js'

const DELTA = ['deltalake==1.6.6', 'pyarrow==26.0.1']
const ICEBERG = ['pyiceberg==0.12.0', 'pyarrow==26.0.1', 'sqlalchemy==2.0.44', 'psycopg2-binary==2.9.11']
const SCRIPTS = join(PACKAGE_ROOT, 'tests/stack/python')

/** A virtual environment with the independent readers, made at first use and kept beside the other caches. */
export function pythonWithDelta(): string {
  return pythonWith(DELTA)
}

/** The same with pyiceberg and what it needs for the catalog in PostgreSQL. */
export function pythonWithIceberg(): string {
  return pythonWith(ICEBERG)
}

function pythonWith(packages: string[]): string {
  const home = join(PACKAGE_ROOT, 'node_modules/.cache/sluice')
  const venv = join(home, `venv-${packages.join('-').replace(/[^a-z0-9.]+/g, '_')}`)
  const python = join(venv, 'bin/python')
  const isReady = () => existsSync(join(venv, 'installed'))
  if (isReady()) return python
  mkdirSync(home, { recursive: true })
  // whole or not at all, should two files of tests make it at once; its own scripts would not survive the move, modules do
  const making = mkdtempSync(`${venv}-`)
  try {
    execFileSync('python3', ['-m', 'venv', making], { stdio: 'inherit' })
    execFileSync(join(making, 'bin/python'), ['-m', 'pip', 'install', '-q', ...packages], { stdio: 'inherit' })
    writeFileSync(join(making, 'installed'), '')
    renameSync(making, venv)
  } catch (error) {
    if (!isReady()) throw error
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
  return python
}

/** @param environment what the script finds besides the environment of the tests */
export function runScript(
  script: string,
  args: string[],
  python = pythonWithDelta(),
  environment: Record<string, string> = {},
): string {
  const env = { ...process.env, ...environment }
  return execFileSync(python, [join(SCRIPTS, 'run.py'), join(SCRIPTS, script), ...args], { encoding: 'utf8', env })
}
