import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { SqlStatement } from '../../scheduler/store/database.js'
import { PostgresDatabase } from '../../scheduler/store/postgres.js'
import { eventually } from '../e2e/eventually.js'

const url = process.env.PG_DSN ?? ''
const schema = `transactions_${randomUUID().replaceAll('-', '')}`
let database: PostgresDatabase
beforeAll(async () => {
  if (url === '') throw new Error('PG_DSN must name a PostgreSQL server')
  const admin = await PostgresDatabase.open(url, { connections: 1 })
  await admin.query(`create schema ${schema}`)
  await admin.close()
  database = await PostgresDatabase.open(url, { searchPath: schema })
  await database.script(`
    create table places (place int primary key, taken int not null, pair int unique deferrable initially deferred);
    create sequence tries;
    create function refused(times int, code text) returns int language plpgsql as $$
      declare try int := nextval('tries');
      begin
        if try <= times then raise exception 'refused' using errcode = code; end if;
        return try;
      end $$`)
})
afterAll(async () => {
  await database.query(`drop schema ${schema} cascade`)
  await database.close()
})
beforeEach(async () => {
  await database.script('truncate places; alter sequence tries restart; insert into places values (1, 0, 1), (2, 0, 2)')
})

const sql = (text: string, ...params: SqlStatement['params']): SqlStatement => ({ sql: text, params })
const take = (place: number) => sql('update places set taken = taken + 1 where place = $1', place)
const taken = async () =>
  (await database.query('select place, taken from places order by place')).map((row) => row.taken)

it('shows to the second statement what was committed while the first waited for its lock', async () => {
  const other = await database.session()
  try {
    const [own] = await other.query('select pg_backend_pid() as pid')
    await other.query('begin')
    await other.query('update places set taken = 7 where place = 1')
    const waiting = database.transaction([
      sql('select 1 from places where place = 1 for update'),
      // of its own snapshot: a join that only looks, as the counts do by which limits are kept
      sql('select sum(taken) as taken, (select count(*) from places) as places from places'),
    ])
    const behind = 'select pid from pg_stat_activity where $1 = any(pg_blocking_pids(pid))'
    await eventually(20_000, async () => ((await database.query(behind, [Number(own?.pid)])).length > 0 ? true : null))
    await other.query('insert into places values (3, 5, 3)')
    await other.query('commit')
    expect((await waiting)[1]).toEqual([{ taken: 12, places: 3 }])
  } finally {
    other.release()
  }
})

it('gives the same rows as a query, prepared or not, and the same text twice', async () => {
  const row = sql(
    `select $1::bigint as big, $2::text as text, $3::timestamptz as at, $4::text[] as list, $5::jsonb as json, $6::bytea as bytes,
      null as nothing, 1.5::numeric as number, 2.5::float8 as float, true as yes, '2026-01-02'::date as day, '1 day'::interval as long`,
    ...[12, "it's", new Date(1_700_000_000_123), ['a"b', null], '{"a": [1]}', new Uint8Array([0, 255])],
  )
  const none = sql('select place from places where false')
  const alone = await database.query(row.sql, row.params)
  expect(alone[0]).toMatchObject({ big: 12, at: 1_700_000_000_123, json: { a: [1] } })
  for (let round = 0; round < 3; round++) {
    expect(await database.transaction([row, none, take(1), row, sql('')])).toEqual([alone, [], [], alone, []])
    expect(await database.query(row.sql, row.params)).toEqual(alone)
  }
  expect(await database.transaction([])).toEqual([])
  expect(await taken()).toEqual([3, 0])
})

it.each([
  [
    'a statement',
    [take(1), sql('select 1 / (taken - 1) from places where place = 1'), take(2)],
    /division by zero \(22012\)/,
  ],
  ['a text that is no SQL', [take(1), sql('selec 1'), take(2)], /syntax error .*\(42601\)/],
  ['a parameter', [take(1), sql('select $1::int as n', 'x'), take(2)], /invalid input syntax .*\(22P02\)/],
  ['the commit', [take(1), sql('update places set pair = 1'), take(2)], /violates unique constraint .*\(23505\)/],
])('undoes all of a transaction in which %s fails', async (_what, statements, message) => {
  for (let round = 0; round < 2; round++) {
    await expect(database.transaction(statements)).rejects.toThrow(
      expect.objectContaining({ code: 'STORE_FAILED', message: expect.stringMatching(message) }),
    )
    expect(await taken()).toEqual([0, 0])
  }
  await database.transaction([take(1), take(2)])
  expect(await taken()).toEqual([1, 1])
})

it('tries a transaction again that PostgreSQL gave up for another, and no other', async () => {
  const refused = (code: string) => sql('select refused(2, $1) as try', code)
  expect(await database.transaction([take(1), refused('40001'), take(2)])).toEqual([[], [{ try: 3 }], []])
  expect(await taken()).toEqual([1, 1])
  await database.script('alter sequence tries restart')
  await expect(database.transaction([take(1), refused('53100')])).rejects.toThrow('(53100)')
  expect(await taken()).toEqual([1, 1])
})

it('fails when the server goes away on the way, and goes on with another connection', async () => {
  const gone = sql('select pg_terminate_backend(pg_backend_pid())')
  for (let round = 0; round < 3; round++) {
    await expect(database.transaction([take(1), gone, take(2)])).rejects.toThrow('(57P01)')
    expect(await taken()).toEqual([0, 0])
  }
})

it('leaves nothing behind on a connection', async () => {
  const one = await PostgresDatabase.open(url, { connections: 1, searchPath: schema })
  try {
    const state = sql(
      "select current_setting('synchronous_commit') as waits, pg_current_xact_id_if_assigned()::text as xact",
    )
    await one.transaction([take(1), state], 'with_next')
    expect(await one.query(state.sql)).toEqual([{ waits: 'on', xact: null }])
    await expect(one.transaction([take(1), sql('select 1 / 0')], 'with_next')).rejects.toThrow('(22012)')
    expect(await one.query(state.sql)).toEqual([{ waits: 'on', xact: null }])
    // a hundred at once share the one connection in turn
    await Promise.all(Array.from({ length: 100 }, () => one.transaction([take(2), take(2)])))
    expect(await taken()).toEqual([1, 200])
  } finally {
    await one.close()
  }
})
