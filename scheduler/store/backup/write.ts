import { createWriteStream } from 'node:fs'
import { access, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { codeOf, SluiceError } from '../../../errors.js'
import { type Instant, isoInstant } from '../../../json.js'
import type { Session } from '../database.js'
import { appliedMigrations, assertMigrated, tablesOfMigrations } from '../migrate.js'
import type { BackupFooter, BackupHeader, BackupSummary } from './format.js'
import { type BareStore, openBareStore } from './session.js'
import { type BackupTable, tablesOf } from './tables.js'

/** Rows fetched at once: a row of the largest table has about a kilobyte. */
const ROWS_AT_ONCE = 1_000

/**
 * Writes all rows of the store into one file, as they were at one instant. Beside the parts of a cluster too; an embedded
 * Sluice must be stopped. The file appears whole or not at all, readable by its owner only: it holds the accounts.
 * @throws SluiceError FILE_EXISTS, NOT_WRITABLE, STORE_LOCKED, UNREACHABLE, STORE_NOT_MIGRATED, STORE_TOO_NEW
 */
export async function writeBackup(request: {
  location: string
  file: string
  version: string
  now: Instant
}): Promise<BackupSummary> {
  const { file } = request
  if (await isThere(file)) throw new SluiceError('FILE_EXISTS', `There is a file ${file} already.`)
  const store = await openBareStore(request.location)
  const partial = `${file}.partial`
  try {
    await assertMigrated(store.database)
    const counts: Record<string, number> = {}
    const header = await headerOf(store, request)
    const output = createWriteStream(partial, { mode: 0o600 })
    await pipeline(Readable.from(lines(store.session, header, counts)), createGzip(), output)
    await durable(partial)
    await rename(partial, file)
    await durable(dirname(file))
    return { createdAt: header.created_at, tables: counts }
  } catch (error) {
    await rm(partial, { force: true })
    throw asNotWritable(error, file)
  } finally {
    await store.close()
  }
}

async function headerOf(store: BareStore, { version, now }: { version: string; now: Instant }): Promise<BackupHeader> {
  const migrations = await appliedMigrations(store.database)
  return { sluice_backup: 1, sluice: version, created_at: isoInstant(now), migrations }
}

/** One transaction on one snapshot; a cursor for each table, so that memory does not grow with the history. */
async function* lines(session: Session, header: BackupHeader, counts: Record<string, number>): AsyncGenerator<string> {
  yield line(header)
  await session.query('begin isolation level repeatable read read only')
  let rows = 0
  for (const table of await tablesOf(session, await tablesOfMigrations())) {
    yield line({ table: table.name, columns: table.columns.map(({ name }) => name) })
    let count = 0
    for await (const row of rowsOf(session, table)) {
      count += 1
      yield `${row}\n`
    }
    counts[table.name] = count
    rows += count
  }
  await session.query('commit')
  yield line({ rows } satisfies BackupFooter)
}

async function* rowsOf(session: Session, { name, columns }: BackupTable): AsyncGenerator<string> {
  const texts = columns.map((column) => `${column.name}::text`).join(', ')
  await session.query(
    `declare backup_rows no scroll cursor for select json_build_array(${texts})::text as row from ${name}`,
  )
  for (;;) {
    const fetched = await session.query<{ row: string }>(`fetch ${ROWS_AT_ONCE} from backup_rows`)
    for (const { row } of fetched) yield row
    if (fetched.length < ROWS_AT_ONCE) break
  }
  await session.query('close backup_rows')
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

/** On disk, name and all, before anybody is told that there is a backup. */
async function durable(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function asNotWritable(error: unknown, file: string): unknown {
  const code = codeOf(error)
  const isOurs = error instanceof SluiceError || !/^E[A-Z]+$/.test(code)
  return isOurs
    ? error
    : new SluiceError('NOT_WRITABLE', `The backup cannot be written to ${file} (${code}).`, { cause: error })
}
