import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../../package-root.js'
import { migrate } from '../../../scheduler/store/migrate.js'
import { PgliteDatabase } from '../../../scheduler/store/pglite.js'
import { cronSchedule } from '../core/dags.js'
import { storeFolder } from './pglite-folder.js'
import { schemaOf } from './schema.js'
import { NOW } from './suite/subject.js'

const { folder, remove } = storeFolder()
let database: PgliteDatabase
beforeAll(async () => {
  database = await PgliteDatabase.open(folder)
})
afterAll(async () => {
  await database.close()
  remove()
})

/** Whether a migration proves a `check` on the rows of a table that is there already, in the transaction that locks it. */
function readsUnderLock(sql: string): boolean {
  const statements = sql.replace(/--.*$/gm, '').split(';')
  const adding = statements.filter((one) => /\balter\s+table\b.*\badd\b.*\bcheck\b/is.test(one))
  const proven = adding.some((one) => !/\bnot\s+valid\b/i.test(one))
  return proven || (adding.length > 0 && /\bvalidate\s+constraint\b/i.test(sql))
}

describe('migrations', () => {
  it('are numbered without a gap', () => {
    const names = readdirSync(join(PACKAGE_ROOT, 'scheduler/store/migrations')).sort()
    expect(names.map((name) => Number(name.slice(0, 4)))).toEqual(names.map((_, index) => index + 1))
  })

  it('read no table through while they hold it for themselves', () => {
    const folder = join(PACKAGE_ROOT, 'scheduler/store/migrations')
    const reading = readdirSync(folder).filter((name) => readsUnderLock(readFileSync(join(folder, name), 'utf8')))
    // released before this was looked at, and never edited
    expect(reading).toEqual(['0008_deferral.sql', '0012_triggers.sql', '0014_flow.sql', '0019_stopped.sql'])
    expect(readsUnderLock('alter table t add constraint c check (a > 0) not valid;')).toBe(false)
    expect(readsUnderLock('alter table t validate constraint c;')).toBe(false)
    expect(
      readsUnderLock('alter table t add constraint c check (a > 0) not valid; alter table t validate constraint c;'),
    ).toBe(true)
    expect(readsUnderLock('alter table t add a int, add b int check (b > 0);')).toBe(true)
  })

  it('are applied once', async () => {
    const names = readdirSync(join(PACKAGE_ROOT, 'scheduler/store/migrations')).sort()
    expect((await migrate(database, NOW)).applied).toEqual(names)
    expect((await migrate(database, NOW)).applied).toEqual([])
  })

  it('keep their checksum', async () => {
    const sql = readFileSync(join(PACKAGE_ROOT, 'scheduler/store/migrations/0001_initial.sql'), 'utf8')
    const rows = await database.query('select checksum from schema_migrations where number = 1')
    expect(rows).toEqual([{ checksum: createHash('sha256').update(sql).digest('hex') }])
  })

  it('make the schema that is written in schema.txt', async () => {
    await expect(await schemaOf(database, 'public')).toMatchFileSnapshot('schema.txt')
  })

  it('bring stored schedules into their new form', async () => {
    const old = { id: 'old', start: NOW, schedule: { cron: '0 6 * * *', timezone: 'Europe/Paris' }, catchup: true }
    const specs = [old, { ...old, id: 'by_hand', schedule: null, catchup: false, start: null }]
    for (const spec of specs) {
      const values = [spec.id, JSON.stringify(spec), new Date(NOW)]
      await database.query(
        'insert into dag_versions (version, dag_id, spec, created_at) values ($1, $1, $2::jsonb, $3)',
        values,
      )
    }
    const sql = readFileSync(join(PACKAGE_ROOT, 'scheduler/store/migrations/0003_schedules.sql'), 'utf8')
    await database.script(sql)
    // what is in its new form already stays as it is
    await database.script(sql)
    const rows = await database.query<{ spec: unknown }>('select spec from dag_versions order by version')
    const schedule = cronSchedule('0 6 * * *', 'Europe/Paris', { anchor: NOW })
    expect(rows.map(({ spec }) => spec)).toEqual([
      { ...specs[1], catchup: 'none' },
      { ...old, catchup: 'all', schedule },
    ])
    await database.query('delete from dag_versions')
  })

  it('that were edited after they were applied are refused', async () => {
    await database.query("update schema_migrations set checksum = 'other' where number = 1")
    await expect(migrate(database, NOW)).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' })
    await database.query('delete from schema_migrations')
    await database.query('drop schema public cascade')
    await database.query('create schema public')
    await migrate(database, NOW)
  })

  it('of a newer Sluice are refused', async () => {
    await database.query("insert into schema_migrations values (9999, '9999_future.sql', 'x', now())")
    await expect(migrate(database, NOW)).rejects.toMatchObject({ code: 'STORE_TOO_NEW' })
  })
})
