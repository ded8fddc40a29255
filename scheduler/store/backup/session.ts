import type { Session } from '../database.js'
import { lockFolder } from '../folder-lock.js'
import type { ScriptDatabase } from '../migrate.js'
import { isPostgresUrl } from '../open-store.js'
import { PgliteDatabase } from '../pglite.js'

/** A store opened for nothing but a backup or a restore: not migrated, and with a session of its own. */
export interface BareStore {
  database: ScriptDatabase
  session: Session
  close(): Promise<void>
}

/**
 * Opens a store as it is, whatever its schema, with a session for a transaction that stays open.
 * @param location an absolute folder for PGlite, or a `postgres://` URL
 * @throws SluiceError STORE_LOCKED when an embedded Sluice has the folder open, NOT_WRITABLE, UNREACHABLE
 */
export async function openBareStore(location: string): Promise<BareStore> {
  if (!isPostgresUrl(location)) return openFolder(location)
  const { PostgresDatabase } = await import('../postgres.js')
  const database = await PostgresDatabase.open(location, { connections: 2 })
  const session = await database.session()
  const close = async () => {
    session.release()
    await database.close()
  }
  return { database, session, close }
}

async function openFolder(folder: string): Promise<BareStore> {
  const lock = lockFolder(folder)
  try {
    const database = await PgliteDatabase.open(folder)
    const close = async () => {
      await database.close()
      lock.release()
    }
    return { database, session: database, close }
  } catch (error) {
    lock.release()
    throw error
  }
}
