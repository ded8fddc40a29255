import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SluiceError } from '../../../errors.js'
import { FolderStore } from '../../../lakehouse/objects/folder.js'
import { SegmentLogStore } from '../../../scheduler/worker/log-segments.js'
import { logKey } from '../../../scheduler/worker/log-store.js'
import { chainOf, type Segment, segmentName } from '../../../scheduler/worker/segment-names.js'
import { ATTEMPT } from './log-suite.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-segments-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const objects = () => readdirSync(join(folder, logKey(ATTEMPT)))

describe('segments', () => {
  it('of a long log stay few while it is written and after it', async () => {
    const appender = new SegmentLogStore(() => new FolderStore(folder)).appender(ATTEMPT)
    let most = 0
    for (let flush = 0; flush < 600; flush++) {
      await appender.append(`${'x'.repeat(99_999)}\n`, 1)
      most = Math.max(most, objects().length)
    }
    await appender.close()
    expect(most).toBeLessThan(70)
    expect(objects().length).toBeLessThanOrEqual(16)
    expect(chainOf(objects()).at(-1)).toMatchObject({ end: 60_000_000, lastLine: 600 })
  })

  it('of a log that says little for long are merged, too', async () => {
    const appender = new SegmentLogStore(() => new FolderStore(folder)).appender(ATTEMPT)
    for (let flush = 0; flush < 1_000; flush++) await appender.append('little\n', 1)
    expect(objects().length).toBeLessThan(60)
    await appender.close()
    expect(objects()).toEqual([segmentName({ start: 0, end: 7_000, lastLine: 1_000 })])
  })

  it('stay readable when they cannot be merged', async () => {
    class Undeleting extends FolderStore {
      override async delete(): Promise<void> {
        throw new SluiceError('OBJECT_STORE_DENIED', 'may not delete')
      }
    }
    const store = new SegmentLogStore(() => new Undeleting(folder))
    const appender = store.appender(ATTEMPT)
    for (let flush = 0; flush < 60; flush++) await appender.append(`${flush}\n`, 1)
    await appender.close()
    const source = await store.open(ATTEMPT)
    const expected = Array.from({ length: 60 }, (_, index) => `${index}\n`).join('')
    expect((await source?.read(0, 1_000))?.toString()).toBe(expected)
    expect(await source?.size()).toBe(expected.length)
    await source?.close()
  })

  it('wait for a store that cannot be reached while the attempt lives, however long, and not for ever at its end', async () => {
    let now = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
    let failures = 2
    class Unreachable extends FolderStore {
      override async put(key: string, content: Uint8Array): Promise<void> {
        // the next look is an hour later
        now += 3_600_000
        if (failures-- > 0) throw new SluiceError('UNREACHABLE', 'not there')
        await super.put(key, content)
      }
    }
    try {
      const appender = new SegmentLogStore(() => new Unreachable(folder)).appender(ATTEMPT)
      await appender.append('one\n', 1)
      expect(objects()).toHaveLength(1)
      failures = 2
      appender.ending()
      await expect(appender.append('two\n', 1)).rejects.toThrow('not there')
    } finally {
      clock.mockRestore()
    }
  })
})

describe('the chain of segments', () => {
  it('covers each byte once whatever merging has left, and stops at a gap', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 12 })
    const merges = fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 6 })
    fc.assert(
      fc.property(cuts, merges, fc.option(fc.nat(11)), (unsorted, spans, lost) => {
        const ends = unsorted.sort((a, b) => a - b)
        const small = ends.map((end, index): Segment => ({ start: ends[index - 1] ?? 0, end, lastLine: end }))
        const merged = spans.flatMap(([from, to]): Segment[] => {
          const [first, last] = [small[Math.min(from, to)], small[Math.max(from, to)]]
          return first === undefined || last === undefined ? [] : [{ ...last, start: first.start }]
        })
        const left = [...small.filter((_, index) => index !== lost), ...merged]
        const chain = chainOf(left.map(segmentName))
        const covers = (byte: number, segments: Segment[]) => segments.some((s) => s.start <= byte && byte < s.end)
        let end = 0
        while (covers(end, left)) end += 1
        expect(chain.at(-1)?.end ?? 0).toBe(end)
        for (let byte = 0; byte < end; byte++) expect(covers(byte, chain)).toBe(true)
        for (const [index, segment] of chain.entries()) expect(segment.end).toBeGreaterThan(chain[index - 1]?.end ?? 0)
      }),
    )
  })

  it('leaves out what is no segment', () => {
    expect(chainOf(['x', '1-2-3.ndjson', segmentName({ start: 5, end: 9, lastLine: 2 })])).toEqual([])
  })
})
