import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileCache } from '../../../lakehouse/objects/file-cache.js'
import { PrivateFolder } from '../../../lakehouse/objects/private-folder.js'

const HOUR = 3_600_000
const SIZE = 1_000
let root: string
let targets = 0
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-cache-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const cacheOf = (maxBytes: number) => new FileCache({ folder: join(root, 'cache'), maxBytes })
const kept = () => {
  const folder = join(root, 'cache/objects')
  return readdirSync(folder).flatMap((part) => readdirSync(join(folder, part)).map((name) => join(folder, part, name)))
}

/** Places one object and says whether it was downloaded. */
async function place(cache: FileCache, identity: string): Promise<{ path: string; downloaded: boolean }> {
  const path = join(root, 'out', String(++targets))
  let downloaded = false
  await cache.place({ identity, size: SIZE }, path, async (incoming) => {
    downloaded = true
    writeFileSync(incoming, identity.padEnd(SIZE))
  })
  expect(readFileSync(path, 'utf8').trim()).toBe(identity)
  return { path, downloaded }
}

describe('the cache of immutable files', () => {
  it('downloads an object once for all processes', async () => {
    expect((await place(cacheOf(1e6), 'a')).downloaded).toBe(true)
    expect((await place(cacheOf(1e6), 'a')).downloaded).toBe(false)
    expect((await place(cacheOf(1e6), 'b')).downloaded).toBe(true)
  })

  it('keeps what was uploaded, without a download', async () => {
    writeFileSync(join(root, 'staged'), 'a'.padEnd(SIZE))
    await cacheOf(1e6).keep({ identity: 'a', size: SIZE }, join(root, 'staged'))
    expect((await place(cacheOf(1e6), 'a')).downloaded).toBe(false)
  })

  it('never uses a torn download', async () => {
    const cache = cacheOf(1e6)
    const torn = cache.place({ identity: 'a', size: SIZE }, join(root, 'out/torn'), async (incoming) => {
      writeFileSync(incoming, 'a')
      throw new Error('the connection broke')
    })
    await expect(torn).rejects.toThrow('the connection broke')
    expect(existsSync(join(root, 'out/torn'))).toBe(false)
    expect(readdirSync(join(root, 'cache/incoming'))).toEqual([])
    expect((await place(cache, 'a')).downloaded).toBe(true)
  })

  it('does not trust a file of another size', async () => {
    await place(cacheOf(1e6), 'a')
    const [path = ''] = kept()
    rmSync(path)
    writeFileSync(path, 'half')
    expect((await place(cacheOf(1e6), 'a')).downloaded).toBe(true)
    expect((await place(cacheOf(1e6), 'a')).downloaded).toBe(false)
  })

  it('gives up the least recently used files, and takes nothing from those who read them', async () => {
    const cache = cacheOf(10 * SIZE)
    const placed = []
    for (let n = 0; n < 10; n++) placed.push(await place(cache, `object-${n}`))
    for (const [index, path] of kept().entries()) utimesSync(path, index, index)
    await place(cache, 'object-0') // used just now
    for (let n = 10; n < 15; n++) await place(cache, `object-${n}`)
    expect(kept().length * SIZE).toBeLessThanOrEqual(10 * SIZE)
    expect((await place(cache, 'object-0')).downloaded).toBe(false)
    for (const [n, { path }] of placed.entries()) expect(readFileSync(path, 'utf8').trim()).toBe(`object-${n}`)
  })

  it('stays whole while several use it at once and it is far too small', async () => {
    const caches = Array.from({ length: 4 }, () => cacheOf(3 * SIZE))
    const uses = caches.flatMap((cache, index) =>
      Array.from({ length: 50 }, (_, n) => place(cache, `object-${(n * (index + 1)) % 12}`)),
    )
    await Promise.all(uses)
    await place(cacheOf(3 * SIZE), 'last')
    expect(kept().length).toBeLessThanOrEqual(3)
  })

  it('removes downloads that a killed process has left', async () => {
    mkdirSync(join(root, 'cache/incoming'), { recursive: true })
    for (const [name, age] of [
      ['old', 2 * HOUR],
      ['new', 0],
    ] as const) {
      writeFileSync(join(root, 'cache/incoming', name), '')
      const at = new Date(Date.now() - age)
      utimesSync(join(root, 'cache/incoming', name), at, at)
    }
    await place(cacheOf(1e6), 'a')
    expect(readdirSync(join(root, 'cache/incoming'))).toEqual(['new'])
  })
})

describe('private folders', () => {
  it('go with their owner, and an hour after an owner that was killed', async () => {
    const [dead, alive] = [new PrivateFolder(root), new PrivateFolder(root)]
    await dead.make()
    await alive.make()
    const at = new Date(Date.now() - 2 * HOUR)
    utimesSync(dead.path, at, at)
    const next = new PrivateFolder(root)
    await next.make()
    expect(existsSync(dead.path)).toBe(false)
    expect(existsSync(alive.path)).toBe(true)
    await next.remove()
    expect(existsSync(next.path)).toBe(false)
    for (const folder of [dead, alive]) await folder.remove()
  })
})
