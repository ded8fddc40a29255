import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Json } from '../../../json.js'
import { crashPoints } from '../../../lakehouse/crash-points.js'
import type { OutsideWork, WriteMode, WriteRequest } from '../../../lakehouse/lakehouse.js'
import { Lake } from '../subject.js'
import { asIfUpgraded, commitToBranch, expireSnapshots, setBack } from './foreign-commit.js'
import { IcebergLake } from './iceberg-lake.js'

const TABLE = 'silver.t'
const TOKEN = 'run/task/1'

/** What the store keeps for an attempt. */
class Attempt implements OutsideWork {
  saved: Json = null

  constructor(readonly earlier: Json = null) {}

  async save(handle: Json): Promise<void> {
    this.saved = handle
  }

  progress(): void {}
}

class Killed extends Error {}

let lake: IcebergLake
beforeEach(async () => {
  lake = new IcebergLake()
  await lake.write(TABLE, 'select range::bigint as id from range(3)')
})
afterEach(async () => {
  crashPoints.reached = () => undefined
  await lake.remove()
})

const ROWS = 'select range::bigint as id from range(10, 12)'
const write = (outside: OutsideWork, set: Partial<WriteRequest> = {}, sql = ROWS) =>
  lake.write(TABLE, sql, { mode: 'append', token: TOKEN, outside, ...set })

/** An attempt of which nothing is heard once it has come to this point. @returns what the store has of it */
async function lost(point: 'before_publish' | 'published', set: Partial<WriteRequest> = {}): Promise<Json> {
  const attempt = new Attempt()
  crashPoints.reached = (reached) => {
    if (reached === point) throw new Killed()
  }
  await expect(write(attempt, set)).rejects.toThrow(Killed)
  crashPoints.reached = () => undefined
  return attempt.saved
}

const others = (id: number) => lake.write(TABLE, `select ${id}::bigint as id`, { mode: 'append' })
const ids = async () => (await lake.rows(`select id from ${TABLE} order by id`)).flat()

describe('a retry whose table has expired snapshots that were made since an attempt was about to commit', () => {
  const MODES: [WriteMode, Partial<WriteRequest>][] = [
    ['append', {}],
    ['merge', { keys: ['id'] }],
    ['overwrite', {}],
  ]

  it.each(MODES)('writes nothing, and says that a person is to look: %s', async (mode, set) => {
    const earlier = await lost('published', { mode, ...set })
    await others(20)
    await expireSnapshots(lake, TABLE, [1, 2])
    const before = await ids()
    await expect(write(new Attempt(earlier), { mode, ...set })).rejects.toMatchObject({
      code: 'COMMIT_UNKNOWN',
      retryable: false,
      message: expect.stringContaining(`was about to commit to ${TABLE} after version 1,`),
    })
    expect(await ids()).toEqual(before)
    // cleared by a person: another generation has another token, and no handle
    expect(await write(new Attempt(), { mode, ...set, token: 'run/task/2' })).toMatchObject({ outcome: 'published' })
  })

  it('writes nothing into a table that the attempt was to make', async () => {
    const to = { mode: 'append', token: TOKEN } as const
    const attempt = new Attempt()
    await lake.write('silver.made', ROWS, { ...to, outside: attempt })
    await lake.write('silver.made', ROWS, { mode: 'append' })
    await expireSnapshots(lake, 'silver.made', [1])
    const again = lake.write('silver.made', ROWS, { ...to, outside: new Attempt(attempt.saved) })
    await expect(again).rejects.toThrow(/before the table was there/)
  })

  it('keeps no failing rows a second time', async () => {
    const checks = [{ kind: 'not_null', options: ['id'], severity: 'error' as const, name: 'not_null id' }]
    const set = { checks, quarantine: 'silver.bad' }
    const half = 'select * from (values (1::bigint), (null)) as t(id)'
    const first = new Attempt()
    expect(await write(first, set, half)).toMatchObject({ outcome: 'refused' })
    await lake.write('silver.bad', "select 7::bigint as id, 'x' as _failed_checks", { mode: 'append' })
    await expireSnapshots(lake, 'silver.bad', [1])
    const again = write(new Attempt(first.saved), set, half)
    await expect(again).rejects.toMatchObject({
      code: 'COMMIT_UNKNOWN',
      message: expect.stringContaining('silver.bad'),
    })
    expect(await lake.rows('select count(*) from silver.bad')).toEqual([[2]])
  })
})

describe('the head of main is not the last number that was given', () => {
  it('on a table of format version 1 that was upgraded', async () => {
    await others(20)
    await others(21)
    await asIfUpgraded(lake, TABLE)
    const earlier = await lost('published')
    await others(22)
    await expireSnapshots(lake, TABLE, [1])
    await expect(write(new Attempt(earlier))).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' })
    expect(await ids()).toEqual([0, 1, 2, 10, 11, 20, 21, 22])
  })

  it('after an engine has set the table back: what is expired of before is no matter', async () => {
    await others(20)
    await others(21)
    await setBack(lake, TABLE, 1)
    await expireSnapshots(lake, TABLE, [2])
    const earlier = await lost('before_publish')
    await expireSnapshots(lake, TABLE, [3])
    expect(await write(new Attempt(earlier))).toMatchObject({ outcome: 'published' })
    expect(await ids()).toEqual([0, 1, 2, 10, 11])
  })

  it('after a commit to a branch, which may be expired as well', async () => {
    await commitToBranch(lake, TABLE)
    const earlier = await lost('before_publish')
    await expireSnapshots(lake, TABLE, [2])
    expect(await write(new Attempt(earlier))).toMatchObject({ outcome: 'published' })
    expect(await ids()).toEqual([0, 1, 2, 10, 11])
  })

  it('where the commit of an attempt was expired after either, it is missed', async () => {
    await others(20)
    await setBack(lake, TABLE, 1)
    await commitToBranch(lake, TABLE)
    const earlier = await lost('published')
    await others(21)
    await expireSnapshots(lake, TABLE, [2, 3, 4])
    await expect(write(new Attempt(earlier))).rejects.toMatchObject({
      code: 'COMMIT_UNKNOWN',
      message: expect.stringContaining(`was about to commit to ${TABLE} after version 3,`),
    })
    expect(await ids()).toEqual([0, 1, 2, 10, 11, 21])
  })
})

describe('a retry goes on as ever', () => {
  it('where its commit is still there', async () => {
    const earlier = await lost('published')
    await others(20)
    await others(21)
    await expireSnapshots(lake, TABLE, [1, 3])
    expect(await write(new Attempt(earlier))).toMatchObject({ outcome: 'already_published' })
    expect(await ids()).toEqual([0, 1, 2, 10, 11, 20, 21])
  })

  it('where all that was committed since is still there', async () => {
    await others(20)
    const earlier = await lost('before_publish')
    await others(21)
    await expireSnapshots(lake, TABLE, [1, 2])
    expect(await write(new Attempt(earlier))).toMatchObject({ outcome: 'published' })
    expect(await ids()).toEqual([0, 1, 2, 10, 11, 20, 21])
  })

  it('when a retry before has seen that nothing was committed', async () => {
    const first = await lost('before_publish')
    await others(20)
    const second = new Attempt(first)
    crashPoints.reached = () => {
      if (second.saved !== null) throw new Killed()
    }
    await expect(write(second)).rejects.toThrow(Killed)
    crashPoints.reached = () => undefined
    await others(21)
    await expireSnapshots(lake, TABLE, [1, 2])
    expect(await write(new Attempt(second.saved))).toMatchObject({ outcome: 'published' })
    expect(await ids()).toEqual([0, 1, 2, 10, 11, 20, 21])
  })

  it('where an earlier attempt came to no commit, whatever is expired', async () => {
    await others(20)
    await expireSnapshots(lake, TABLE, [1])
    expect(await write(new Attempt())).toMatchObject({ outcome: 'published' })
  })
})

it('an attempt that has lost its claim commits nothing', async () => {
  const refusing = new Attempt()
  refusing.save = () => Promise.reject(new Killed())
  await expect(write(refusing)).rejects.toThrow(Killed)
  expect(await ids()).toEqual([0, 1, 2])
})

it('Delta keeps tokens by itself, so nothing is saved there', async () => {
  const delta = new Lake()
  try {
    const attempt = new Attempt()
    await delta.write(TABLE, ROWS, { mode: 'append', token: TOKEN, outside: attempt })
    expect(attempt.saved).toBeNull()
  } finally {
    await delta.remove()
  }
})
