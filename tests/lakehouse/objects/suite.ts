import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../../lakehouse/objects/object-store.js'

const bytes = (text: string) => Buffer.from(text)

/**
 * What every object store promises.
 * @param open a store at a place where nothing is yet; `again` opens the same place once more, as another process would
 */
export function objectStoreSuite(
  kind: string,
  open: () => Promise<{ store: ObjectStore; again(): ObjectStore; remove(): Promise<void> }>,
): void {
  describe(`objects in ${kind}`, () => {
    let place: Awaited<ReturnType<typeof open>>
    let store: ObjectStore
    beforeEach(async () => {
      place = await open()
      store = place.store
    })
    afterEach(() => place.remove())

    const writeLocally = (at: ObjectStore, key: string, content: string | Buffer) => {
      mkdirSync(dirname(at.localPath(key)), { recursive: true })
      writeFileSync(at.localPath(key), content)
    }

    it('are read back as they were put, and replaced', async () => {
      await store.put('a/b c/é=1%.json', bytes('one'))
      expect(await store.read('a/b c/é=1%.json')).toEqual(bytes('one'))
      const before = await store.stat('a/b c/é=1%.json')
      await store.put('a/b c/é=1%.json', bytes('two!'))
      const found = await place.again().readWithInfo('a/b c/é=1%.json')
      expect(found?.content).toEqual(bytes('two!'))
      expect(found?.info).toEqual(await store.stat('a/b c/é=1%.json'))
      expect(found?.info.size).toBe(4)
      expect(found?.info.etag).not.toBe(before?.etag)
      expect(Math.abs((found?.info.modifiedAt ?? 0) - Date.now())).toBeLessThan(60_000)
    })

    it('may be empty', async () => {
      await store.put('empty', bytes(''))
      expect(await store.read('empty')).toEqual(bytes(''))
    })

    it('that do not exist are null, not errors', async () => {
      expect(await store.read('nothing')).toBeNull()
      expect(await store.readWithInfo('nothing/at/all')).toBeNull()
      expect(await store.stat('nothing')).toBeNull()
      expect(await store.list('nothing')).toEqual([])
      expect(await store.listPrefixes('nothing')).toEqual([])
      await store.delete(['nothing'])
      await store.deleteAll('nothing')
    })

    it('are read in ranges', async () => {
      await store.put('digits', bytes('0123456789'))
      expect(Buffer.from(await store.readRange('digits', 3, 7)).toString()).toBe('3456')
      await expect(store.readRange('digits', 8, 12)).rejects.toThrow()
      await expect(store.readRange('nothing', 0, 1)).rejects.toThrow()
    })

    it('are listed by name, one level at a time', async () => {
      for (const key of ['t/b', 't/a', 't/c/d', 't/c/e/f', 't/é', 'u']) await store.put(key, bytes(key))
      expect(await store.list('t')).toEqual(['a', 'b', 'é'])
      expect(await store.listPrefixes('t')).toEqual(['c'])
      expect(await store.list('')).toEqual(['u'])
      expect(await store.listPrefixes('')).toContain('t')
      expect(await store.list('t', { after: 'a' })).toEqual(['b', 'é'])
      expect(await store.list('t', { limit: 1 })).toEqual(['a'])
      expect(await store.list('t', { after: 'a', limit: 1 })).toEqual(['b'])
    })

    it('of one key are created once, whoever tries at the same time', async () => {
      const stores = [store, ...Array.from({ length: 7 }, () => place.again())]
      for (let round = 0; round < 5; round++) {
        const results = await Promise.all(
          stores.map((one, index) => one.putIfAbsent(`log/${round}`, bytes(`by ${index}`))),
        )
        const [winner] = results.flatMap((result, index) => (result === 'created' ? [index] : []))
        expect(results.filter((result) => result === 'created')).toHaveLength(1)
        expect(await store.read(`log/${round}`)).toEqual(bytes(`by ${winner}`))
      }
    })

    it('are deleted alone or with all below a prefix', async () => {
      for (const key of ['t/a', 't/b', 't/b2/c', 't/b2/d/e', 'tt']) await store.put(key, bytes(key))
      await store.delete(['t/a', 't/nothing'])
      expect(await store.list('t')).toEqual(['b'])
      await store.deleteAll('t/b2')
      expect(await store.list('t/b2/d')).toEqual([])
      expect(await store.read('t/b')).toEqual(bytes('t/b'))
      await store.deleteAll('t')
      expect(await store.read('tt')).toEqual(bytes('tt'))
    })

    it('that the engine wrote are there for others once they are persisted', async () => {
      const large = Buffer.alloc(20 * 1024 * 1024, 'sluice ')
      await store.prepare('t/part')
      writeLocally(store, 't/part/small.parquet', 'small')
      writeLocally(store, 't/part/x=%2F/large.parquet', large)
      await store.persist(['t/part/small.parquet', 't/part/x=%2F/large.parquet'])
      const other = place.again()
      const objects = [
        { key: 't/part/small.parquet', size: 5 },
        { key: 't/part/x=%2F/large.parquet', size: large.length },
      ]
      await other.fetch(objects)
      await other.fetch(objects)
      expect(readFileSync(other.localPath('t/part/small.parquet'), 'utf8')).toBe('small')
      expect(readFileSync(other.localPath('t/part/x=%2F/large.parquet')).equals(large)).toBe(true)
      expect(other.localPath('t').startsWith(other.localRoot)).toBe(true)
    })

    it('that a table names and nobody has are named when they are fetched', async () => {
      await store.put('t/short', bytes('abc'))
      const fetching = (key: string, size: number) => expect(store.fetch([{ key, size }])).rejects
      await fetching('t/gone', 3).toMatchObject({ code: 'OBJECT_MISSING', message: expect.stringContaining('t/gone') })
      await fetching('t/short', 4).toMatchObject({
        code: 'OBJECT_MISSING',
        message: expect.stringContaining('3 bytes'),
      })
    })
  })
}
