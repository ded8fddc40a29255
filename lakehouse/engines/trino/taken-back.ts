import { SluiceError } from '../../../errors.js'
import type { WriteRequest } from '../../lakehouse.js'
import { identifier, literal } from '../../sql.js'
import { isWithoutLog, TrinoError } from './errors.js'
import { type HandedIn, makesTable } from './handle.js'
import type { TrinoTable } from './names.js'
import type { TableState } from './own-view.js'
import type { TrinoSession } from './session.js'
import { type ExistingTable, existingTable } from './target.js'

/** How a table is looked up that may be one without files. */
export interface Presence {
  /** what lies in the table's folder, by our own reader; null when that cannot tell */
  look(): Promise<TableState | null>
  /** queries of earlier attempts that were to publish into it */
  queries: readonly HandedIn[]
  signal?: AbortSignal | undefined
  log: WriteRequest['log']
}

/**
 * A table that Trino knows and that is there; null when there is none.
 *
 * Trino (seen with 476) takes the first commit of a new Delta table back when nobody fetches the answer of the query that made it:
 * it deletes the folder and keeps the entry in its metastore. It goes on to answer from memory for such a table where anybody has
 * looked at it before, and an INSERT then makes version 1 of a table that has no version 0; otherwise every statement fails. Such an
 * entry is unregistered, which deletes no files, where it is certain to be for the folder in which our reader finds no table.
 * @throws SluiceError TABLE_CORRUPT when the log is gone and it is not known where Trino thinks the table lies
 */
export async function presentTable(
  session: TrinoSession,
  table: TrinoTable,
  presence: Presence,
): Promise<ExistingTable | null> {
  const found = await knownTable(session, table, presence.signal)
  if (found === null || table.format !== 'delta' || table.schemaLocation === null) return orCorrupt(table, found)
  const place = `${table.schemaLocation}/${table.name}`
  const ours = found === 'without log' ? presence.queries.some(makesTable) : found.location === place
  // looked at after Trino was asked: a table that it has just made is there by now
  const state = ours ? await presence.look() : null
  if (state === null || state.version !== null) return orCorrupt(table, found)
  const message = `Trino knows ${table.label} but has taken back what it had written: there is no table at ${place}. It is unregistered.`
  presence.log('warn', message)
  await unregister(session, table)
  return null
}

/** Lets Trino forget the table that one of these queries has made and Trino has taken back, if there is one: nobody follows who would. */
export async function forgetTakenBack(session: TrinoSession, table: TrinoTable, presence: Presence): Promise<void> {
  if (presence.queries.some(makesTable)) await presentTable(session, table, presence)
}

async function knownTable(
  session: TrinoSession,
  table: TrinoTable,
  signal: AbortSignal | undefined,
): Promise<ExistingTable | 'without log' | null> {
  try {
    return await existingTable(session, table, signal)
  } catch (error) {
    if (isWithoutLog(error)) return 'without log'
    throw error
  }
}

function orCorrupt(table: TrinoTable, found: ExistingTable | 'without log' | null): ExistingTable | null {
  if (found !== 'without log') return found
  const message = `Trino knows the Delta table ${table.label}, but finds no transaction log where it is registered.`
  const hint = `Restore its files; or, if it is to be made anew, let Trino forget it, which deletes no files: ${unregistering(table)}`
  throw new SluiceError('TABLE_CORRUPT', message, { hint })
}

function unregistering({ catalog, schema, name }: TrinoTable): string {
  return `CALL ${identifier(catalog)}.system.unregister_table(${literal(schema)}, ${literal(name)})`
}

async function unregister(session: TrinoSession, table: TrinoTable): Promise<void> {
  try {
    await session.run(unregistering(table), { subject: `Unregistering ${table.label}` })
  } catch (error) {
    // another attempt was quicker
    if (!(error instanceof TrinoError) || !GONE.has(error.failure.errorName)) throw error
  }
}

const GONE: ReadonlySet<string> = new Set(['NOT_FOUND', 'TABLE_NOT_FOUND'])
