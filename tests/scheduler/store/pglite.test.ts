import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../../errors.js'
import type { Database } from '../../../scheduler/store/database.js'
import { type OpenStore, openStore } from '../../../scheduler/store/open-store.js'
import { emptied } from './emptied.js'
import { storeFolder } from './pglite-folder.js'
import { LEASE_MS, moveTasks, NOW, runningRun, WORKER, whileNoneIsThere } from './suite/subject.js'
import { storeSuite } from './suite.js'

const { folder, remove } = storeFolder()
let opened: OpenStore
beforeAll(async () => {
  opened = await openStore(folder, NOW)
})
afterAll(async () => {
  await opened.store.close()
  remove()
})

storeSuite('PGlite', async () => {
  await emptied(opened.database)
  return opened.store
})

describe('PGlite', () => {
  const database = (): Database => opened.database

  it('refuses a second opener by name', async () => {
    const error = await openStore(folder, NOW).catch((reason: unknown) => reason)
    expect(isSluiceError(error, 'STORE_LOCKED')).toBe(true)
    expect(String(error)).toContain(`pid ${process.pid}`)
    expect(String(error)).toContain(folder)
  })

  it('gives instants as milliseconds, bigints as numbers, JSON and arrays as values', async () => {
    const rows = await database().query(
      'select $1::timestamptz as at, 9007199254740991::bigint as big, $2::jsonb as json, $3::text[] as texts, $4::boolean as yes, null as nothing',
      [new Date(NOW + 7), JSON.stringify({ a: [1, 'x'] }), ['plain', 'with "quotes", commas {and} \\'], true],
    )
    expect(rows).toEqual([
      {
        at: NOW + 7,
        big: 9007199254740991,
        json: { a: [1, 'x'] },
        texts: ['plain', 'with "quotes", commas {and} \\'],
        yes: true,
        nothing: null,
      },
    ])
  })

  it('carries out what it is asked for in the order of asking: a claim finds what a queueing before it queues', async () => {
    await emptied(database())
    const { store } = opened
    await store.setPools({ default: 10 })
    await moveTasks(store, await runningRun(store, 'sales', { taskIds: ['a'] }), 'scheduled')
    const queueing = store.queueReady(NOW, 10)
    const claiming = store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 1 })
    expect((await claiming).map(({ taskId }) => taskId)).toEqual(['a'])
    expect(await queueing).toHaveLength(1)
  })

  it('tells of the queueing first where it answers both with one statement', async () => {
    await emptied(database())
    const { store } = opened
    await store.setPools({ default: 10 })
    await whileNoneIsThere(() => store.queueReady(NOW, 10))
    await moveTasks(store, await runningRun(store, 'sales', { taskIds: ['a'] }), 'scheduled')
    const told: string[] = []
    const queueing = store.queueReady(NOW, 10, true, true).then(async () => {
      // what is done with it may take some steps of the same turn
      for (let step = 0; step < 20; step += 1) await null
      told.push('queued')
    })
    const claiming = store.claim(WORKER, { now: NOW, leaseMs: LEASE_MS, limit: 1 }).then(() => told.push('claimed'))
    await Promise.all([queueing, claiming])
    expect(told).toEqual(['queued', 'claimed'])
  })

  it('rolls a transaction back whole and goes on', async () => {
    const broken = database().transaction([
      { sql: "insert into users (name, role, created_at) values ('x', 'viewer', now())", params: [] },
      { sql: 'select 1 / 0', params: [] },
    ])
    await expect(broken).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await database().query("select 1 from users where name = 'x'")).toEqual([])
  })

  it('tells a broken statement from a broken store', async () => {
    await expect(database().query('selec 1')).rejects.toThrow('syntax error')
    await expect(database().query('selec 1')).rejects.toThrow('syntax error')
    expect(await database().query('select 1 as one')).toEqual([{ one: 1 }])
  })

  it('does not stop the loop of its host during a long statement', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 5)
    await database().query('select count(*) from generate_series(1, 2000000)')
    clearInterval(timer)
    expect(turns).toBeGreaterThan(5)
  })

  it('vacuums tables that have grown, which PGlite does not do by itself', async () => {
    const own = storeFolder()
    const { store, database: fresh } = await openStore(own.folder, NOW)
    const vacuumed = () =>
      fresh.query("select relname from pg_class where relname in ('users', 'pools') and reltuples >= 0")
    await fresh.query("insert into users select 'user ' || n, 'viewer', now() from generate_series(1, 5000) n")
    expect(await vacuumed()).toEqual([])
    for (let request = 0; request < 1_100; request++) await fresh.query('select 1')
    expect(await vacuumed()).toEqual([{ relname: 'users' }])
    await store.close()
    own.remove()
  })

  it('has no statement that reads a growing table whole', async () => {
    const ran = await database().query<{ statement: string }>('select statement from pg_prepared_statements')
    const statements = ran.map((row) => row.statement).filter((text) => MENTIONS_GROWING.test(text))
    expect(statements.length).toBeGreaterThan(15)
    // what was small when its statistics were taken would be read whole though an index fits
    const forget = 'update pg_class set relpages = 0, reltuples = -1 where relname = any($1::text[]) or relname like $2'
    for (const table of GROWING) await database().query(forget, [[table], `${table}\\_%`])
    const whole: string[] = []
    // planned where nothing was ever vacuumed: the suite's tables are small, and may just have been found to be
    const fresh = storeFolder()
    const planner = await openStore(fresh.folder, NOW)
    for (const statement of statements) {
      const params = Array.from({ length: paramCount(statement) }, () => null)
      const [row] = await planner.database.query(`explain (generic_plan, format json) ${statement}`, params)
      for (const table of readWhole(row?.['QUERY PLAN'])) whole.push(`${table}: ${statement}`)
    }
    await planner.store.close()
    fresh.remove()
    expect(whole).toEqual([])
  })
})

/** Tables with a row or more for each run; those of DAGs and people stay small. */
const GROWING = new Set([
  'slas',
  'runs',
  'task_runs',
  'attempts',
  'table_versions',
  'table_reads',
  'check_results',
  'audit',
])
const MENTIONS_GROWING = new RegExp(`^(?!delete).*\\b(${[...GROWING].join('|')})\\b`, 's')

function paramCount(statement: string): number {
  return Math.max(0, ...[...statement.matchAll(/\$(\d+)/g)].map((match) => Number(match[1])))
}

/** Growing tables that a plan (EXPLAIN's JSON) reads from end to end, or by an index of all rows without a condition. */
function readWhole(plan: unknown): string[] {
  if (Array.isArray(plan)) return plan.flatMap(readWhole)
  if (typeof plan !== 'object' || plan === null) return []
  const node = plan as Record<string, unknown>
  const table = String(node['Relation Name'])
  const byPrimaryKey = String(node['Index Name']).endsWith('_pkey') && node['Index Cond'] === undefined
  const found = GROWING.has(table) && (node['Node Type'] === 'Seq Scan' || byPrimaryKey) ? [table] : []
  return [...found, ...Object.values(node).flatMap(readWhole)]
}
