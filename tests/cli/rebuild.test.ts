import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { isStale } from '../../cli/rebuild.js'

let root: string
const built = () => join(root, 'dist/built.cjs')

/** A file that was last changed at so many seconds. */
function file(path: string, changedAt: number): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), '')
  utimesSync(join(root, path), changedAt, changedAt)
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-rebuild-'))
  file('package.json', 10)
  file('cli/main.ts', 10)
  file('dist/built.cjs', 20)
})
afterEach(() => rmSync(root, { recursive: true }))

it('is not stale when nothing has changed since the build', () => {
  file('README.md', 30)
  file('tests/a.test.ts', 30)
  expect(isStale(root, built())).toBe(false)
})

it.each(['package.json', 'errors.ts', 'cli/main.ts', 'scheduler/dag/compile.ts'])(
  'is stale after a change of %s',
  (path) => {
    file(path, 30)
    expect(isStale(root, built())).toBe(true)
  },
)

it('is stale where nothing was built', () => {
  rmSync(built())
  expect(isStale(root, built())).toBe(true)
})

it('is never stale where there is no source', () => {
  rmSync(join(root, 'cli'), { recursive: true })
  expect(isStale(root, built())).toBe(false)
})
