import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../../errors.js'
import type { Database } from '../../../scheduler/store/database.js'
import { type OpenStore, openStore } from '../../../scheduler/store/open-store.js'
import { emptied } from './emptied.js'
import { storeFolder } from './pglite-folder.js'
import { NOW } from './suite/subject.js'
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

  it('vacuums its tables, which PGlite does not do by itself', async () => {
    const own = storeFolder()
    const { store, database: fresh } = await openStore(own.folder, NOW)
    const unknown = () =>
      fresh.query("select 1 from pg_class where relname in ('task_runs', 'attempts') and reltuples < 0")
    expect(await unknown()).toHaveLength(2)
    for (let request = 0; request < 1_100; request++) await fresh.query('select 1')
    expect(await unknown()).toHaveLength(0)
    await store.close()
    own.remove()
  })
})
