import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLakehouse } from '../../lakehouse/open.js'
import { type Lake, NOW } from './subject.js'

const values = (...rows: string[]) => `select * from (values ${rows.join(', ')}) as t(id, name)`
/** What every mode promises, wherever the table lies. */
export function writeModesSuite(kind: string, newLake: () => Lake): void {
  let lake: Lake
  beforeEach(() => {
    lake = newLake()
  })
  afterEach(() => lake.remove())

  /** the number of a table's n-th version, from 0 */
  const at = (n: number) => lake.firstVersion + n

  const read = async (table: string) => {
    const { rows, version } = await lake.independent(table)
    return { version, rows: rows.map((row) => [Number(row.id), row.name]).sort() }
  }

  describe(`write modes on ${kind}`, () => {
    it('overwrite replaces rows and schema in one version', async () => {
      await lake.write('silver.t', values(`(1, 'a')`, `(2, 'b')`))
      const outcome = await lake.write('silver.t', values(`(3, 'c')`))
      expect(outcome).toMatchObject({
        outcome: 'published',
        commit: { versionBefore: at(0), version: at(1), rowsAdded: 1, rowsRemoved: 2, rowsTotal: 1 },
      })
      expect(await read('silver.t')).toEqual({ version: at(1), rows: [[3, 'c']] })
      await lake.write('silver.t', 'select 1.5::double as price')
      expect(await lake.rows('select * from silver.t')).toEqual([[1.5]])
    })

    it('append adds rows and refuses other columns by name', async () => {
      await lake.write('silver.t', values(`(1, 'a')`), { mode: 'append' })
      await lake.write('silver.t', values(`(2, 'b')`), { mode: 'append' })
      expect(await read('silver.t')).toEqual({
        version: at(1),
        rows: [
          [1, 'a'],
          [2, 'b'],
        ],
      })
      await expect(lake.write('silver.t', `select 3 as id, 'c' as nam`, { mode: 'append' })).rejects.toMatchObject({
        code: 'SCHEMA_MISMATCH',
        message: expect.stringContaining('name'),
      })
      await expect(lake.write('silver.t', `select 'x' as id, 'c' as name`, { mode: 'append' })).rejects.toMatchObject({
        code: 'SCHEMA_MISMATCH',
      })
      expect((await read('silver.t')).version).toBe(at(1))
    })

    it('merge updates by key, inserts the rest, and leaves other rows alone', async () => {
      await lake.write('silver.t', values(`(1, 'a')`, `(2, 'b')`, `(3, 'c')`))
      const outcome = await lake.write('silver.t', values(`(2, 'B')`, `(4, 'd')`), { mode: 'merge', keys: ['id'] })
      expect(outcome).toMatchObject({ commit: { rowsAdded: 1, rowsUpdated: 1, rowsRemoved: 0, rowsTotal: 4 } })
      expect((await read('silver.t')).rows).toEqual([
        [1, 'a'],
        [2, 'B'],
        [3, 'c'],
        [4, 'd'],
      ])
    })

    it('merge refuses keys that are doubled or NULL, and says which', async () => {
      await lake.write('silver.t', values(`(1, 'a')`))
      const doubled = lake.write('silver.t', values(`(2, 'x')`, `(2, 'y')`), { mode: 'merge', keys: ['id'] })
      await expect(doubled).rejects.toThrow('2')
      const missing = lake.write('silver.t', values(`(null, 'x')`), { mode: 'merge', keys: ['id'] })
      await expect(missing).rejects.toThrow('NULL')
      expect((await read('silver.t')).rows).toEqual([[1, 'a']])
    })

    it('replace_partitions replaces the partitions of the result and no other', async () => {
      const rows = (...list: string[]) => `select * from (values ${list.join(', ')}) as t(id, day)`
      await lake.write('silver.p', rows(`(1, 'mon')`, `(2, 'tue')`), { partitionBy: ['day'] })
      await lake.write('silver.p', rows(`(9, 'tue')`, `(5, 'wed')`), { mode: 'replace_partitions' })
      expect(await lake.rows('select id, day from silver.p order by id')).toEqual([
        [1, 'mon'],
        [5, 'wed'],
        [9, 'tue'],
      ])
      const { rows: independent } = await lake.independent('silver.p')
      expect(independent.map((row) => [Number(row.id), row.day]).sort()).toEqual([
        [1, 'mon'],
        [5, 'wed'],
        [9, 'tue'],
      ])
    })

    it('writes nothing for a token that the table has already', async () => {
      const first = await lake.write('silver.t', values(`(1, 'a')`), { mode: 'append', token: 'run/task/1' })
      const again = await lake.write('silver.t', values(`(1, 'a')`), { mode: 'append', token: 'run/task/1' })
      expect(first.outcome).toBe('published')
      expect(again).toMatchObject({ outcome: 'already_published', commit: { version: at(0), rowsAdded: 1 } })
      expect(await read('silver.t')).toEqual({ version: at(0), rows: [[1, 'a']] })
    })

    it('reads on through checkpoints', async () => {
      for (let index = 0; index < 25; index++)
        await lake.write('silver.t', values(`(${index}, 'x')`), { mode: 'append' })
      // one that has seen none of the versions begins at the checkpoint
      const newcomer = await openLakehouse(lake.config)
      try {
        const count = await newcomer.query('select count(*) as n from silver.t', { maxRows: 1 })
        expect(count.rows).toEqual([{ n: 25 }])
        expect((await read('silver.t')).rows).toHaveLength(25)
      } finally {
        await newcomer.close()
      }
    })

    it('dates a version by its commit, not by the start of its write, and never before the one it follows', async () => {
      const asked: number[] = []
      const goesOn = () => {
        asked.push(NOW + asked.length * 60_000)
        return asked.at(-1) ?? NOW
      }
      await lake.write('silver.dated', values(`(1, 'a')`), { now: goesOn })
      // begun before that commit, or on a clock that is wrong
      await lake.write('silver.dated', values(`(2, 'b')`), { mode: 'append', now: () => NOW })
      const [second, first] = await (await lake.house()).versions('silver.dated', { limit: 2 })
      expect(asked.slice(1)).toContain(first?.committedAt)
      const apart = lake.firstVersion === 1 ? 1 : 0 // Iceberg looks snapshots up by their time
      expect(second?.committedAt).toBe((first?.committedAt ?? 0) + apart)
    })

    it('rolls back with one new version, which can be undone', async () => {
      await lake.write('silver.t', values(`(1, 'a')`))
      await lake.write('silver.t', values(`(2, 'b')`), { mode: 'append' })
      const house = await lake.house()
      const info = { user: 'mira', reason: 'came twice', now: Date.UTC(2026, 10, 21) }
      const commit = await house.rollback('silver.t', at(0), info)
      expect(commit).toMatchObject({ versionBefore: at(1), version: at(2), rowsTotal: 1 })
      expect(await read('silver.t')).toEqual({ version: at(2), rows: [[1, 'a']] })
      await house.rollback('silver.t', at(1), info)
      expect((await read('silver.t')).rows).toEqual([
        [1, 'a'],
        [2, 'b'],
      ])
      const versions = await house.versions('silver.t', { limit: 10 })
      expect(versions.map((version) => [version.version, version.user, version.run])).toEqual([
        [at(3), 'mira', null],
        [at(2), 'mira', null],
        [at(1), null, 'sales-1'],
        [at(0), null, 'sales-1'],
      ])
      await expect(house.rollback('silver.t', 99, info)).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' })
    })

    it('keeps every type through a write and a read', async () => {
      const sql = `select true as yes, 1::tinyint as tiny, 2::smallint as small, 3::integer as whole, 4::bigint as big,
      sum(5::bigint) as total, 1.5::float as f, 2.5::double as d, 12.34::decimal(10,2) as price, 'é "q"' as text,
      date '2026-01-31' as day, timestamp '2026-01-31 10:20:30.123456' as wall, timestamptz '2026-01-31 10:20:30+02' as at,
      [1, 2, null] as list, {'a': 1, 'b': 'x'} as pair, map {'k': 1} as entries, null::integer as nothing, '\\xAA'::blob as bytes`
      await lake.write('silver.types', sql)
      const result = await (await lake.house()).query('select * from silver.types', { maxRows: 1 })
      expect(result.rows).toEqual([
        {
          yes: true,
          tiny: 1,
          small: 2,
          whole: 3,
          big: 4,
          total: 5,
          f: 1.5,
          d: 2.5,
          price: 12.34,
          text: 'é "q"',
          day: '2026-01-31',
          wall: '2026-01-31T10:20:30.123456',
          at: '2026-01-31T08:20:30Z',
          list: [1, 2, null],
          pair: { a: 1, b: 'x' },
          entries: { k: 1 },
          nothing: null,
          bytes: 'qg==',
        },
      ])
      const columns = await (await lake.house()).schema('silver.types')
      expect(columns.find((column) => column.name === 'total')?.type).toBe('decimal(38,0)')
      expect(columns.find((column) => column.name === 'wall')?.type).toBe('timestamp_ntz')
    })
  })
}
