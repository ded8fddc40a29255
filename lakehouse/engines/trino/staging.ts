import { createHash, randomBytes } from 'node:crypto'
import { isSluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import { identifier, literal } from '../../sql.js'
import { TrinoError } from './errors.js'
import { qualified, STAGING_SCHEMA, type TrinoTable } from './names.js'
import type { TrinoSession } from './session.js'

/** What a crashed attempt has staged is of no use after this time, whoever it belonged to. */
const LEFTOVER_AFTER_MS = 7 * 86_400_000

/** A staging table for one attempt of a token: in a schema of its own, with its age in its name. */
export function stagingTable(target: TrinoTable, token: string, now: Instant): TrinoTable {
  const name = `${prefixOf(token)}${Math.floor(now / 1000).toString(36)}_${randomBytes(4).toString('hex')}`
  const location = target.schemaLocation?.replace(/[^/]+$/, STAGING_SCHEMA) ?? null
  return {
    ...target,
    label: `the staging table of ${target.label}`,
    schema: STAGING_SCHEMA,
    name,
    schemaLocation: location,
  }
}

/** Runs a statement that creates a table; a schema that is missing is created first. */
export async function creating<T>(session: TrinoSession, table: TrinoTable, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isMissingSchema(error)) throw error
    const location = table.schemaLocation === null ? '' : ` WITH (location = ${literal(table.schemaLocation)})`
    await session.run(
      `CREATE SCHEMA IF NOT EXISTS ${identifier(table.catalog)}.${identifier(table.schema)}${location}`,
      { subject: `Creating the schema of ${table.label}` },
    )
    return work()
  }
}

/** Drops a table in Trino; one that is gone already is no error, so that cleaning up may be repeated. */
export async function dropTable(session: TrinoSession, table: TrinoTable): Promise<void> {
  await session.run(`DROP TABLE IF EXISTS ${qualified(table)}`, { subject: `Dropping ${table.label}` })
}

/**
 * Drops what crashed attempts have left: that of a token, and that of anybody when it is old.
 * @param token null when no earlier attempt can have left anything
 * @returns how many staging tables are gone
 */
export async function cleanStaging(
  session: TrinoSession,
  target: TrinoTable,
  token: string | null,
  now: Instant,
): Promise<number> {
  const staging = stagingTable(target, token ?? '', now)
  const names = await stagingNames(session, staging)
  const leftovers = names.filter((name) => {
    return (token !== null && name.startsWith(prefixOf(token))) || now - stagedAt(name) > LEFTOVER_AFTER_MS
  })
  for (const name of leftovers) await dropTable(session, { ...staging, name })
  return leftovers.length
}

async function stagingNames(session: TrinoSession, staging: TrinoTable): Promise<string[]> {
  const schema = `${identifier(staging.catalog)}.${identifier(staging.schema)}`
  try {
    const rows = await session.rows(`SHOW TABLES FROM ${schema}`, { subject: 'Looking for leftovers' })
    return rows.map((row) => String(row.Table))
  } catch (error) {
    if (isSluiceError(error, 'TABLE_UNKNOWN')) return []
    throw error
  }
}

function prefixOf(token: string): string {
  return `s_${createHash('sha256').update(token).digest('hex').slice(0, 16)}_`
}

function stagedAt(name: string): Instant {
  const seconds = Number.parseInt(name.split('_')[2] ?? '', 36)
  return Number.isNaN(seconds) ? Number.POSITIVE_INFINITY : seconds * 1000
}

function isMissingSchema(error: unknown): boolean {
  if (!(error instanceof TrinoError)) return false
  const { errorName, message } = error.failure
  return errorName === 'SCHEMA_NOT_FOUND' || (errorName === 'NOT_FOUND' && /\bschema\b/i.test(message))
}
