import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { qualified, TrinoNames } from '../../lakehouse/engines/trino/names.js'
import { cleanStaging, stagingTable } from '../../lakehouse/engines/trino/staging.js'
import type { Check } from '../../lakehouse/lakehouse.js'
import { published, TrinoPlace } from './trino-place.js'

const NOT_NULL: Check = { kind: 'not_null', options: ['id'], severity: 'error', name: 'not_null id' }
const ORDERS = `SELECT * FROM (VALUES (1, DATE '2026-01-01', 'x'), (2, DATE '2026-01-02', 'y')) v(id, day, note)`

describe.each(['iceberg', 'delta'] as const)('a gated write on Trino, %s', (format) => {
  const place = new TrinoPlace(format)
  const write = place.write.bind(place)

  beforeAll(() => place.house())
  afterAll(() => place.remove())

  const target = (table: string) => new TrinoNames(place.config.catalogs).table(place.table(table))
  /** Statements that name the staging table of a write, in their order. */
  const queriesOf = (table: string, token: string) => {
    return place.trino.rows(
      `SELECT query_id, query FROM system.runtime.queries WHERE source = 'sluice' AND query LIKE '%${place.stagedBy(table, token)}%' AND query NOT LIKE '%system.runtime%' ORDER BY created`,
    )
  }
  const start = async (table: string) => {
    return published(await write(table, ORDERS, { partitionBy: ['day'], checks: [NOT_NULL] }))
  }

  it('creates the table with its schema and partitions, in one version', async () => {
    const commit = await start('created')
    expect(commit).toMatchObject({ table: place.table('created'), operation: 'overwrite', versionBefore: null })
    expect(commit).toMatchObject({ rowsAdded: 2, rowsUpdated: 0, rowsRemoved: 0, rowsTotal: 2 })
    expect(commit.version).toBe(format === 'delta' ? 0 : 1)
    const [created] = await place.trino.rows(`SHOW CREATE TABLE ${place.table('created')}`)
    expect(created?.['Create Table']).toContain(`${place.s3.location}/${format}/${place.schema}/created`)
    expect(created?.['Create Table']).toMatch(/partition(ing|ed_by) = ARRAY\['day'\]/)
  })

  it('overwrites in one version, from its own rows too, and keeps the partitions', async () => {
    const before = await start('overwritten')
    const sql = `SELECT id * 10 AS id, day, note, true AS late FROM lake.${place.table('overwritten')}`
    const outcome = await write('overwritten', sql)
    const commit = published(outcome)
    expect(commit).toMatchObject({ versionBefore: before.version, version: before.version + 1 })
    expect(commit).toMatchObject({ rowsAdded: 2, rowsRemoved: 2, rowsTotal: 2 })
    expect(outcome.reads).toEqual([{ table: place.table('overwritten'), version: before.version, rows: null }])
    expect(await place.rows('overwritten')).toEqual([
      [10, '2026-01-01', 'x', true],
      [20, '2026-01-02', 'y', true],
    ])
    const [created] = await place.trino.rows(`SHOW CREATE TABLE ${place.table('overwritten')}`)
    expect(created?.['Create Table']).toMatch(/partition(ing|ed_by) = ARRAY\['day'\]/)
  })

  it('notices that it reads its own rows through a view, and stages them when it knows the version', async () => {
    const before = await start('origin')
    await place.trino.run(`CREATE VIEW ${place.table('glance')} AS SELECT * FROM ${place.table('origin')}`)
    place.log.length = 0
    const sql = `SELECT id + 1 AS id, day, note FROM ${place.table('glance')}`
    const outcome = await write('origin', sql, { checks: [NOT_NULL] })
    expect(published(outcome)).toMatchObject({ versionBefore: before.version, version: before.version + 1 })
    expect(outcome.reads).toEqual([{ table: place.table('origin'), version: before.version, rows: null }])
    expect(place.log.filter((line) => line.endsWith(': staging.'))).toHaveLength(2)
    expect((await place.rows('origin', 'id')).flat()).toEqual([2, 3])
  })

  it('appends by column name, in one version', async () => {
    const before = await start('appended')
    const sql = `SELECT 'z' AS note, 3 AS id, DATE '2026-01-03' AS day`
    const commit = published(await write('appended', sql, { mode: 'append' }))
    expect(commit).toMatchObject({ version: before.version + 1, rowsAdded: 1, rowsRemoved: 0, rowsTotal: 3 })
    expect(await place.rows('appended')).toContainEqual([3, '2026-01-03', 'z'])
  })

  it('merges in one version: new rows, changed rows, and equal rows left alone', async () => {
    const before = await start('merged')
    const sql = `SELECT 1 AS id, DATE '2026-01-01' AS day, 'x' AS note UNION ALL SELECT 2, DATE '2026-01-02', 'new' UNION ALL SELECT 3, DATE '2026-01-03', CAST(NULL AS varchar)`
    const commit = published(await write('merged', sql, { mode: 'merge', keys: ['id'] }))
    expect(commit).toMatchObject({ version: before.version + 1, rowsAdded: 1, rowsUpdated: 1, rowsRemoved: 0 })
    expect(await place.rows('merged')).toEqual([
      [1, '2026-01-01', 'x'],
      [2, '2026-01-02', 'new'],
      [3, '2026-01-03', null],
    ])
  })

  it('replaces the partitions that occur in the result, that of NULL too, and no other', async () => {
    const before = await start('replaced')
    const add = `SELECT 8 AS id, CAST(NULL AS date) AS day, 'old' AS note`
    published(await write('replaced', add, { mode: 'append' }))
    const sql = `SELECT * FROM (VALUES (20, DATE '2026-01-02', 'a'), (21, DATE '2026-01-02', 'b'), (30, DATE '2026-01-03', 'c'), (9, NULL, 'd')) v(id, day, note)`
    for (const round of [1, 2]) {
      const commit = published(await write('replaced', sql, { mode: 'replace_partitions', partitionBy: ['day'] }))
      expect(commit).toMatchObject({ version: before.version + 1 + round, rowsAdded: 4 })
      expect(commit.rowsRemoved).toBe(round === 1 ? 2 : 4)
    }
    expect(await place.rows('replaced')).toEqual([
      [1, '2026-01-01', 'x'],
      [9, null, 'd'],
      [20, '2026-01-02', 'a'],
      [21, '2026-01-02', 'b'],
      [30, '2026-01-03', 'c'],
    ])
  })

  it('refuses what a check refuses, keeps the failing rows, and leaves the table as it is', async () => {
    await start('guarded')
    const sql = `SELECT CAST(NULL AS integer) AS id, DATE '2026-01-05' AS day, 'bad' AS note UNION ALL ${ORDERS}`
    const quarantine = place.table('kept')
    const outcome = await write('guarded', sql, { mode: 'append', checks: [NOT_NULL], quarantine })
    expect(outcome).toMatchObject({ outcome: 'refused', table: place.table('guarded') })
    expect(outcome.checks).toMatchObject([{ passed: false, failingRows: 1, measured: { failing: 1, rows: 3 } }])
    expect(outcome.checks[0]?.sample).toEqual([{ id: null, day: '2026-01-05', note: 'bad' }])
    expect(await place.rows('guarded')).toHaveLength(2)
    expect(await place.rows('kept')).toEqual([[null, '2026-01-05', 'bad', 'not_null id']])
    const all = await write('guarded', sql, { mode: 'append', checks: [NOT_NULL], noChecks: true })
    expect(all.outcome).toBe('published')
    expect(await place.rows('guarded')).toHaveLength(5)
  })

  it('runs every kind of check on the staged rows', async () => {
    await start('reference')
    const severity = 'error' as const
    const checks: Check[] = [
      { kind: 'unique', options: ['id'], severity, name: 'unique' },
      { kind: 'accepted_values', options: { column: 'note', values: ['x', 'y'] }, severity, name: 'accepted_values' },
      { kind: 'range', options: { column: 'day', min: '2026-01-02' }, severity, name: 'range' },
      { kind: 'matches', options: { column: 'note', pattern: '[a-z]' }, severity, name: 'matches' },
      { kind: 'row_count', options: { min: 5 }, severity, name: 'row_count' },
      {
        kind: 'relationship',
        options: { column: 'id', to: place.table('reference'), field: 'id' },
        severity,
        name: 'relationship',
      },
      {
        kind: 'expression',
        options: { sql: `id > (SELECT min(id) FROM lake.${place.table('reference')})` },
        severity,
        name: 'expression',
      },
      { kind: 'freshness', options: { column: 'day', max_age: '1d' }, severity, name: 'freshness' },
    ]
    const sql = `${ORDERS} UNION ALL SELECT 2, DATE '2026-01-03', 'longer' UNION ALL SELECT 7, DATE '2026-01-04', 'y'`
    const outcome = await write('checked', sql, { checks })
    const failing = Object.fromEntries(outcome.checks.map((check) => [check.name, check.failingRows]))
    expect(outcome.outcome).toBe('refused')
    expect(outcome.checks.every((check) => !check.passed)).toBe(true)
    expect(failing).toEqual({
      unique: 2,
      accepted_values: 1,
      range: 1,
      matches: 1,
      row_count: 0,
      relationship: 1,
      expression: 1,
      freshness: 0,
    })
  })

  it('runs all checks in one query, on what one statement publishes', async () => {
    const checks: Check[] = [
      NOT_NULL,
      { kind: 'unique', options: ['id'], severity: 'error', name: 'unique id' },
      { kind: 'row_count', options: { min: 1 }, severity: 'error', name: 'row_count' },
    ]
    await start('counted')
    const token = 'counted'
    published(await write('counted', ORDERS, { checks, token }))
    const words = (await queriesOf('counted', token)).map(({ query }) => String(query).split(/ (?:TABLE|AS) /)[0])
    expect(words).toEqual(['CREATE', 'WITH checked', 'CREATE OR REPLACE', 'DROP'])
  })

  it('shares an overwrite of middling size between two writers, whose files hold every row once', async () => {
    const sql = `SELECT x * 1000 + y AS id, concat('customer ', CAST(y AS varchar)) AS customer
      FROM UNNEST(sequence(1, 300)) a(x) CROSS JOIN UNNEST(sequence(0, 999)) b(y)`
    const files = async () => {
      const [row] = await place.trino.rows(
        `SELECT count(*) AS n, count(DISTINCT id) AS ids, count(DISTINCT "$path") AS files FROM ${place.table('middling')}`,
      )
      return row
    }
    const token = 'middling'
    published(await write('middling', sql, { checks: [NOT_NULL], token }))
    const [staging] = await queriesOf('middling', token)
    // the staging table, whose files nobody keeps, gets more of them: this Trino takes what is asked of it
    expect(await place.sessionOf(String(staging?.query_id))).toMatchObject({
      systemProperties: { redistribute_writes: 'false', task_min_writer_count: '4' },
      catalogProperties: { [format]: { parquet_writer_block_size: '32MB' } },
    })
    expect(await files()).toEqual({ n: 300_000, ids: 300_000, files: 2 })
    const more = `SELECT id + 1000000 AS id, customer FROM (${sql})`
    published(await write('middling', more, { checks: [NOT_NULL], mode: 'append' }))
    expect(await files()).toEqual({ n: 600_000, ids: 600_000, files: 3 })
  })

  it('stages what only the types of its table make columns of', async () => {
    await start('untyped')
    const sql = `SELECT 3 AS id, DATE '2026-01-03' AS day, NULL AS note`
    published(await write('untyped', sql, { mode: 'append', checks: [NOT_NULL] }))
    published(
      await write('untyped', `SELECT CAST(4 AS smallint) AS id, day, note FROM (${sql})`, {
        mode: 'append',
        checks: [NOT_NULL],
      }),
    )
    expect((await place.rows('untyped')).slice(2)).toEqual([
      [3, '2026-01-03', null],
      [4, '2026-01-03', null],
    ])
  })

  it('says in the words of all engines why a result does not fit', async () => {
    await start('typed')
    const failure = (sql: string, set = {}) =>
      write('typed', sql, { mode: 'append', ...set }).catch((error: Error) => error)
    const label = place.table('typed')
    await expect(failure(`SELECT BIGINT '3' AS id, DATE '2026-01-03' AS day, 'z' AS note`)).resolves.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: `The result for ${label} has column id as long, expected integer.`,
    })
    await expect(failure(`SELECT 3 AS id, DATE '2026-01-03' AS day`)).resolves.toMatchObject({
      message: `The result for ${label} lacks the column note (string), which the table has.`,
    })
    await expect(failure(`${ORDERS.replace('*', '*, 1 AS nota')}`)).resolves.toMatchObject({
      message: `The result for ${label} has the column nota, which the table lacks; is it note?.`,
    })
    const unnamed = `SELECT 3 AS id, DATE '2026-01-03', 'z' AS note`
    await expect(failure(unnamed, { checks: [NOT_NULL] })).resolves.toMatchObject({
      message: `The result for ${label} has no name for column 2.`,
    })
    await expect(failure(ORDERS, { partitionBy: ['note'] })).resolves.toMatchObject({ code: 'SCHEMA_MISMATCH' })
    await expect(
      failure(`${ORDERS} UNION ALL SELECT 1, NULL, 'q'`, { mode: 'merge', keys: ['id'] }),
    ).resolves.toMatchObject({
      code: 'KEYS_INVALID',
      message: `The result for ${label} holds the key id = 1 2 times.`,
    })
    expect(await place.rows('typed')).toHaveLength(2)
  })

  it('says where a text cannot be read, and that no retry helps', async () => {
    const said = {
      code: 'SQL_FAILED',
      message: `The SQL failed, line 2, column 11: mismatched input ':'.`,
      retryable: false,
    }
    const house = await place.house()
    await expect(house.query('SELECT 1 AS id,\n  2 AS day::DATE', { maxRows: 1 })).rejects.toMatchObject(said)
  })

  it('reads tables of PostgreSQL and of memory beside its own, and names them', async () => {
    await start('joined')
    const [customers, rates] = [`postgresql.${place.schema}.customers`, `memory.default.${place.schema}`]
    try {
      await place.trino.run(`CREATE SCHEMA postgresql.${place.schema}`)
      await place.trino.run(`CREATE TABLE ${customers} AS SELECT 1 AS id, CAST('Ann' AS varchar) AS name`)
      await place.trino.run(`CREATE TABLE ${rates} AS SELECT DATE '2026-01-01' AS day, DECIMAL '1.25' AS rate`)
      const sql = `SELECT id, name, rate FROM ${place.table('joined')} JOIN ${customers} USING (id) JOIN ${rates} USING (day)`
      for (const checks of [[], [NOT_NULL]]) {
        const outcome = await write('across', sql, { checks })
        expect(published(outcome).rowsAdded).toBe(1)
        expect(outcome.reads.map(({ table }) => table)).toEqual([place.table('joined')])
        expect(outcome.foreignReads?.toSorted()).toEqual([rates, customers])
      }
      expect(await place.rows('across')).toEqual([[1, 'Ann', 1.25]])
      const asked = await (await place.house()).query(`SELECT name FROM ${customers}`, { maxRows: 1 })
      expect([asked.rows, asked.foreignReads]).toEqual([[{ name: 'Ann' }], [customers]])
    } finally {
      await place.trino.run(`DROP TABLE IF EXISTS ${rates}`)
      await place.trino.run(`DROP SCHEMA IF EXISTS postgresql.${place.schema} CASCADE`)
    }
  })

  it('leaves no staging table behind', async () => {
    await start('tidy')
    const before = await place.staged()
    await start('tidy')
    await write('tidy', 'SELECT nothing FROM nowhere.at_all', { checks: [NOT_NULL] }).catch(() => undefined)
    expect((await place.staged()).filter((name) => !before.includes(name))).toEqual([])
  })

  it('drops what was staged more than a week ago, whoever staged it, and nothing younger', async () => {
    const now = Date.now()
    const token = (days: number) => place.token(`staged ${days} days ago`)
    const [old, young] = [8, 6].map((days) => stagingTable(target('tidy'), token(days), now - days * 86_400_000))
    if (old === undefined || young === undefined) throw new Error('two tables')
    await start('tidy')
    for (const table of [old, young]) await place.trino.run(`CREATE TABLE ${qualified(table)} AS SELECT 1 AS id`)
    // how many are gone by this call is not said: whoever writes beside it may have dropped the old one before
    await cleanStaging(place.trino, target('tidy'), null, now)
    const left = await place.stagedByAnybody()
    expect([left.includes(old.name), left.includes(young.name)]).toEqual([false, true])
    expect(await cleanStaging(place.trino, target('tidy'), token(6), now)).toBe(1)
    expect(await place.stagedByAnybody()).not.toContain(young.name)
  })
})
