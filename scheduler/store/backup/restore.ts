import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import type { Session } from '../database.js'
import { appliedMigrations, migrate, tablesOfMigrations } from '../migrate.js'
import type { BackupRow, BackupSummary, TableHeading } from './format.js'
import { type BackupReader, readBackup } from './read.js'
import { openBareStore } from './session.js'
import { type BackupTable, tablesOf } from './tables.js'

/** A store that holds rows in one of these has been used. */
const SIGNS_OF_USE = ['runs', 'dags', 'users', 'epochs', 'audit']

/**
 * Fills an empty store from a backup, of PostgreSQL or of an embedded one, and brings it to the newest schema. All rows
 * are there at the end or none.
 * @throws SluiceError BACKUP_INVALID, STORE_NOT_EMPTY, STORE_TOO_NEW when a newer Sluice wrote the backup, STORE_LOCKED,
 *   UNREACHABLE, NOT_WRITABLE
 */
export async function restoreBackup(request: { location: string; file: string; now: Instant }): Promise<BackupSummary> {
  const { location, file, now } = request
  const backup = await readBackup(file)
  try {
    const store = await openBareStore(location)
    try {
      const { migrations } = backup.header
      await assertUnused(store.session)
      // the rows fit the schema they were written from; what changed since changes them as it changed everybody's
      await migrate(store.database, now, { upTo: migrations })
      const applied = await appliedMigrations(store.database)
      if (applied.length !== migrations.length)
        throw new SluiceError('STORE_NOT_EMPTY', `The store is migrated beyond the backup ${file}.`)
      const tables = await load(store.session, backup, file)
      await migrate(store.database, now)
      return { createdAt: backup.header.created_at, tables }
    } finally {
      await store.close()
    }
  } finally {
    backup.close()
  }
}

async function load(session: Session, backup: BackupReader, file: string): Promise<Record<string, number>> {
  const tables = await tablesOf(session, await tablesOfMigrations())
  const counts: Record<string, number> = {}
  await session.query('begin')
  try {
    // holds until the end: a part that starts meanwhile waits, and finds what was restored
    await session.query(`lock table ${tables.map(({ name }) => name).join(', ')} in access exclusive mode`)
    await assertUnused(session)
    // migrations seed some tables
    await session.query(`truncate ${tables.map(({ name }) => name).join(', ')}`)
    let insert: ((rows: BackupRow[]) => Promise<void>) | null = null
    let total = 0
    for await (const piece of backup.pieces) {
      if ('table' in piece) insert = inserting(session, tables, piece.table, counts, file)
      else if ('rows' in piece) {
        if (insert === null) throw new SluiceError('BACKUP_INVALID', `${file} has rows before it names their table.`)
        await insert(piece.rows)
        total += piece.rows.length
      } else if (piece.end !== total)
        throw new SluiceError('BACKUP_INVALID', `${file} has ${total} rows and says ${piece.end}.`)
    }
    for (const table of tables) await goOnCounting(session, table)
    await session.query('commit')
    return counts
  } catch (error) {
    await session.query('rollback')
    throw error
  }
}

function inserting(
  session: Session,
  tables: readonly BackupTable[],
  heading: TableHeading,
  counts: Record<string, number>,
  file: string,
): (rows: BackupRow[]) => Promise<void> {
  const table = tables.find(({ name }) => name === heading.table)
  const names = table?.columns.map(({ name }) => name) ?? []
  if (table === undefined || names.join() !== heading.columns.join())
    throw new SluiceError(
      'BACKUP_INVALID',
      `${file} has a table ${heading.table.slice(0, 100)} that does not fit its own schema.`,
    )
  const values = table.columns.map(({ type }, index) => `(r->>${index})::${type}`).join(', ')
  const sql = `insert into ${table.name} (${names.join(', ')}) overriding system value
    select ${values} from jsonb_array_elements($1::jsonb) r`
  counts[table.name] = 0
  return async (rows) => {
    await session.query(sql, [JSON.stringify(rows)])
    counts[table.name] = (counts[table.name] ?? 0) + rows.length
  }
}

async function goOnCounting(session: Session, { name, identity }: BackupTable): Promise<void> {
  if (identity === null) return
  await session.query(
    `select setval(pg_get_serial_sequence($1, $2), greatest(max(${identity}), 1), max(${identity}) is not null) from ${name}`,
    [name, identity],
  )
}

async function assertUnused(session: Session): Promise<void> {
  for (const table of SIGNS_OF_USE) {
    const [known] = await session.query<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
    if (known?.there !== true) continue
    const [row] = await session.query(`select 1 as used from ${table} limit 1`)
    if (row !== undefined) throw new SluiceError('STORE_NOT_EMPTY', `The store holds ${table} already.`)
  }
}
