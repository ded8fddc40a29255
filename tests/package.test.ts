import { describe, expect, it } from 'vitest'
import { sourceText } from './source-files.js'

interface LockedPackage {
  version?: string
  resolved?: string
  optionalDependencies?: Record<string, string>
}

const lock = JSON.parse(sourceText('package-lock.json')) as { packages: Record<string, LockedPackage> }
const packageJson = JSON.parse(sourceText('package.json')) as Record<string, Record<string, string>>

describe('package-lock.json', () => {
  it('has the binaries of every platform, or `npm ci` refuses the file', () => {
    // npm leaves out those of other platforms when it writes the file from an installed node_modules
    const missing = Object.values(lock.packages).flatMap(({ optionalDependencies }) =>
      Object.keys(optionalDependencies ?? {}).filter((name) => {
        return /-(darwin|linux|win32|android)-/.test(name) && lock.packages[`node_modules/${name}`] === undefined
      }),
    )
    expect(missing).toEqual([])
    expect(Object.keys(lock.packages).some((path) => path.endsWith('-darwin-arm64'))).toBe(true)
  })

  it('has the very versions that package.json names, from no particular registry', () => {
    const wanted = { ...packageJson.dependencies, ...packageJson.devDependencies }
    for (const [name, version] of Object.entries(wanted)) {
      expect(version).toMatch(/^\d/)
      expect(lock.packages[`node_modules/${name}`]?.version).toBe(version)
    }
    expect(Object.values(lock.packages).filter(({ resolved }) => resolved !== undefined)).toEqual([])
  })
})
