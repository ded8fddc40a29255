import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import { rowChanges } from '../../lakehouse/engines/trino/commit.js'
import { OwnView } from '../../lakehouse/engines/trino/own-view.js'
import type { Tables, TableVersion } from '../../lakehouse/lakehouse.js'

const version = (number: number, query: string): TableVersion => ({
  version: number,
  committedAt: 1_000 + number,
  operation: 'write',
  rowsAdded: null,
  rowsUpdated: null,
  rowsRemoved: null,
  query,
  run: null,
  task: null,
  attempt: null,
  user: null,
  reason: '',
  token: null,
})

/** A table with these versions, newest first, and so many rows in the newest. */
function view(versions: TableVersion[], rows: number | null = 12): OwnView {
  const [newest] = versions
  const tables: Partial<Tables> = {
    versions: async (_, { limit }) => versions.slice(0, limit),
    summary: async () => {
      if (newest === undefined) throw new SluiceError('TABLE_UNKNOWN', 'There is no table s.t.')
      return { version: newest.version, rows } as Awaited<ReturnType<Tables['summary']>>
    },
  }
  return new OwnView(async () => tables as Tables)
}

describe('the version that a query of Trino has made, in our own eyes', () => {
  const three = [version(7, 'ours'), version(6, 'b'), version(5, 'a')]

  it('is the one after that of before, with the rows of both', async () => {
    const before = await view(three.slice(1), 10).state('s.t')
    expect(await view(three).made('s.t', 'ours', { before, append: false })).toEqual({
      queryId: 'ours',
      version: 7,
      versionBefore: 6,
      committedAt: 1_007,
      rowsBefore: 10,
      rowsAfter: 12,
      bytes: 0,
    })
  })

  it('is the first of a table that was not there', async () => {
    const before = await view([]).state('s.t')
    expect(before).toEqual({ version: null, lastNumber: -1, rows: 0 })
    expect(await view([version(0, 'ours')]).made('s.t', 'ours', { before, append: false })).toMatchObject({
      version: 0,
      versionBefore: null,
      rowsAfter: 12,
    })
  })

  it.each([
    ['others came in between', three, { version: 5, rows: 1 }],
    ['others came after', [version(8, 'c'), ...three], { version: 6, rows: 1 }],
  ])('is left to Trino when %s, unless it only added rows', async (_, versions, before) => {
    expect(await view(versions).made('s.t', 'ours', { before, append: false })).toBeNull()
    const made = await view(versions).made('s.t', 'ours', { before, append: true })
    expect(made).toMatchObject({ version: 7, versionBefore: 6, rowsBefore: null, rowsAfter: null })
    if (made === null) throw new Error('expected a version')
    expect(rowChanges('append', made, { staged: null, changed: 3 })).toEqual({
      rowsAdded: 3,
      rowsUpdated: 0,
      rowsRemoved: 0,
    })
  })

  it('is left to Trino when we cannot see it', async () => {
    const before = { version: 6, rows: 10 }
    expect(await view(three).made('s.t', 'another', { before, append: true })).toBeNull()
    expect(await view(three, null).made('s.t', 'ours', { before, append: false })).toBeNull()
    expect(await view(three).made('s.t', 'ours', { before: null, append: true })).toBeNull()
    const blind = new OwnView(async () => {
      throw new SluiceError('CONFIG_INVALID', 'no database for the catalog')
    })
    expect([await blind.state('s.t'), await blind.made('s.t', 'ours', { before, append: true })]).toEqual([null, null])
    const broken = new OwnView(() => Promise.reject(new TypeError('a defect')))
    await expect(broken.state('s.t')).rejects.toThrow('a defect')
  })
})
