import { afterAll, beforeAll, expect, it } from 'vitest'
import { inShortTries } from '../../../scheduler/store/migration-lock.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { Cluster, type Part } from './cluster.js'
import { OwnRedis } from './own-redis.js'

const postgres = process.env.PG_DSN ?? ''
const DAGS = {
  'dags/mark.yaml': `dag: mark
max_active_runs: 4
tasks:
  first: { bash: "echo '{\\"rows\\": 1}' > $SLUICE_OUTPUTS" }
  mark: { needs: [first], sql: { query: "select {{ run.id }} as run", to: bronze.marks, mode: append }, checks: [{ not_null: [run] }] }
`,
  'dags/after.yaml': `dag: after
schedule: { tables: [bronze.marks] }
tasks:
  told: { bash: ["true"] }
`,
}
const LATER = '9999_later'

let redis: OwnRedis
let cluster: Cluster
beforeAll(async () => {
  if (postgres === '') throw new Error('PG_DSN must name a PostgreSQL server')
  redis = await OwnRedis.start()
})
afterAll(async () => {
  await cluster?.remove()
  await redis?.down()
})

/** What the migration of a newer Sluice may do at most, in tries like any: every table gets a column, and there is a new one. */
async function migrateFurther(): Promise<void> {
  const database = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
  const apply = (waitMs: number) =>
    database.script(`do $later$
  declare name text;
  begin
    perform set_config('lock_timeout', '${waitMs}ms', true);
    for name in select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' loop
      execute format('alter table %I add column later_added text', name);
    end loop;
    create table later_made (id integer primary key);
    insert into schema_migrations (number, name, checksum, applied_at) values (9999, '${LATER}', 'later', now());
  end $later$`)
  await inShortTries(database, LATER, apply)
  await database.close()
}

async function done(count: number): Promise<void> {
  const runs = await Promise.all(Array.from({ length: count }, () => cluster.trigger('mark')))
  const states = await cluster.ended(runs, 60_000)
  expect(runs.map((run) => states.get(run))).toEqual(runs.map(() => 'success'))
}

it('parts that run go on while a newer Sluice migrates the store, and do not start again on it', async () => {
  cluster = await Cluster.create({ postgres, redis: redis.url }, DAGS)
  const parts: Part[] = [
    await cluster.start('webserver'),
    await cluster.start('scheduler'),
    await cluster.start('worker', '--slots', '3'),
  ]
  await Promise.all([cluster.knows('mark'), cluster.knows('after')])
  // every statement has been used and planned on some connection
  await done(8)
  const [going] = await Promise.all([cluster.trigger('mark'), migrateFurther()])
  await done(8)
  expect((await cluster.ended([going], 60_000)).get(going)).toBe('success')
  for (const page of ['/dags/mark', `/runs/${going}`, '/tables', '/workers']) await cluster.text(page)
  expect(parts.map(({ output }) => output).join('')).not.toMatch(/cached plan|STORE_FAILED|"level":50/)

  for (const name of ['scheduler', 'worker', 'webserver']) {
    const { code, stderr } = await cluster.sluice(name)
    expect({ name, code }).toEqual({ name, code: 3 })
    expect(stderr).toContain(`The store has the migration ${LATER}, which this Sluice does not know.`)
  }
  // those that run are not disturbed by it
  await done(2)
}, 240_000)
