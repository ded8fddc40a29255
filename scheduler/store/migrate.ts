import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import { PACKAGE_ROOT } from '../../package-root.js'
import type { Database } from './database.js'
import { inShortTries, type LockPatience } from './migration-lock.js'

/** Any number; the same in every Sluice, so that migrations of one database take turns. */
const ADVISORY_LOCK = 7_158_301

interface Migration {
  number: number
  name: string
  sql: string
  checksum: string
}

/** A migration as the store remembers it. */
export type AppliedMigration = Pick<Migration, 'number' | 'name' | 'checksum'>

/** A database that can run several statements without parameters at once; needed by migrations only. */
export interface ScriptDatabase extends Database {
  script(sql: string): Promise<void>
}

/**
 * Brings the store to the newest schema, each migration in a transaction of its own; several instances may do so at once.
 * @param options.upTo the migrations that the schema shall have, for rows that were written under it; absent: all
 * @param options.patience with tables that others use; absent: five minutes in short tries
 * @throws SluiceError MIGRATION_CHANGED when a migration differs from the one that was applied, STORE_TOO_NEW when the
 *   store knows migrations that this Sluice does not, STORE_BUSY when others have used a table for all that time
 */
export async function migrate(
  database: ScriptDatabase,
  now: Instant,
  { upTo, patience }: { upTo?: readonly AppliedMigration[]; patience?: Partial<LockPatience> | undefined } = {},
): Promise<{ applied: string[] }> {
  const known = await migrations()
  const wanted = upTo === undefined ? known : sameAs(upTo, known)
  if (await standsAt(database, wanted, known)) return { applied: [] }
  // "if not exists" does not keep two sessions from making it at once; the lock does.
  await database.script(`do $sluice$
  begin
    perform pg_advisory_xact_lock(${ADVISORY_LOCK});
    create table if not exists schema_migrations (
      number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null);
  end $sluice$`)
  const applied: string[] = []
  for (const migration of wanted) {
    if (await isApplied(database, migration)) continue
    await inShortTries(database, migration.name, (waitMs) => apply(database, migration, { now, waitMs }), patience)
    applied.push(migration.name)
  }
  await assertNoneAhead(database, known)
  return { applied }
}

/**
 * For the parts of a cluster, which start by the dozen and do not migrate by themselves.
 * @throws SluiceError STORE_NOT_MIGRATED, MIGRATION_CHANGED, STORE_TOO_NEW
 */
export async function assertMigrated(database: Database): Promise<{ applied: string[] }> {
  const known = await migrations()
  const isKept = await keepsMigrations(database)
  for (const migration of known) {
    if (isKept && (await isApplied(database, migration))) continue
    throw new SluiceError('STORE_NOT_MIGRATED', `The store lacks the migration ${migration.name}.`)
  }
  await assertNoneAhead(database, known)
  return { applied: [] }
}

async function keepsMigrations(database: Database): Promise<boolean> {
  const [table] = await database.query<{ there: boolean }>(
    "select to_regclass('schema_migrations') is not null as there",
  )
  return table?.there === true
}

/** Most starts find everything applied: a look that locks nothing, in a fraction of the time of going through all of it. */
async function standsAt(
  database: Database,
  wanted: readonly Migration[],
  known: readonly Migration[],
): Promise<boolean> {
  if (!(await keepsMigrations(database))) return false
  const applied = new Map((await appliedMigrations(database)).map(({ number, checksum }) => [number, checksum]))
  const newest = known.at(-1)?.number ?? 0
  return (
    wanted.every(({ number, checksum }) => applied.get(number) === checksum) &&
    [...applied.keys()].every((number) => number <= newest)
  )
}

/** What the store was migrated with, oldest first. */
export async function appliedMigrations(database: Database): Promise<AppliedMigration[]> {
  return database.query<AppliedMigration>('select number, name, checksum from schema_migrations order by number')
}

/** Every table that a migration makes; whether it is still there, the database knows. */
export async function tablesOfMigrations(): Promise<string[]> {
  const all = await migrations()
  return all.flatMap(({ sql }) =>
    [...sql.matchAll(/^create table (?:if not exists )?(\w+)/gim)].map(([, name]) => String(name)),
  )
}

function sameAs(wanted: readonly AppliedMigration[], known: readonly Migration[]): Migration[] {
  return wanted.map(({ number, name, checksum }) => {
    const same = known.find((migration) => migration.number === number)
    if (same === undefined) throw tooNew('backup', name)
    if (same.checksum !== checksum) throw changed(same, 'backup')
    return same
  })
}

function tooNew(what: 'store' | 'backup', name: string): SluiceError {
  return new SluiceError('STORE_TOO_NEW', `The ${what} has the migration ${name}, which this Sluice does not know.`)
}

function changed({ name }: Migration, what: 'store' | 'backup'): SluiceError {
  return new SluiceError('MIGRATION_CHANGED', `The migration ${name} is not the one that made this ${what}.`)
}

async function assertNoneAhead(database: Database, known: readonly Migration[]): Promise<void> {
  const [ahead] = await database.query<{ name: string }>(
    'select name from schema_migrations where number > $1 limit 1',
    [known.at(-1)?.number ?? 0],
  )
  if (ahead === undefined) return
  throw tooNew('store', ahead.name)
}

async function migrations(): Promise<Migration[]> {
  const folder = join(PACKAGE_ROOT, 'scheduler/store/migrations')
  const names = (await readdir(folder)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(folder, name), 'utf8')
      return { number: Number(name.slice(0, 4)), name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

async function isApplied(database: Database, migration: Migration): Promise<boolean> {
  const [row] = await database.query<{ checksum: string }>('select checksum from schema_migrations where number = $1', [
    migration.number,
  ])
  if (row !== undefined && row.checksum !== migration.checksum) {
    throw changed(migration, 'store')
  }
  return row !== undefined
}

/** The row that says "applied" is part of the migration's transaction; an instance that was quicker makes this a no-op. */
async function apply(
  database: ScriptDatabase,
  migration: Migration,
  { now, waitMs }: { now: Instant; waitMs: number },
): Promise<void> {
  const at = new Date(now).toISOString()
  await database.script(`do $sluice$
  begin
    perform pg_advisory_xact_lock(${ADVISORY_LOCK});
    if not exists (select 1 from schema_migrations where number = ${migration.number}) then
      -- not before: to wait for another instance that migrates holds up nobody
      perform set_config('lock_timeout', '${waitMs}ms', true);
      execute $migration$${migration.sql}$migration$;
      insert into schema_migrations values (${migration.number}, '${migration.name}', '${migration.checksum}', '${at}');
    end if;
  end $sluice$`)
}
