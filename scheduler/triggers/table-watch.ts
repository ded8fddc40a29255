import { isSluiceError } from '../../errors.js'
import type { Tables, TableVersion } from '../../lakehouse/lakehouse.js'
import { dagOfRun } from '../core/run-id.js'
import type { VersionsLook, Watches } from '../loop/ports.js'
import type { SeenVersion } from '../store/trigger-store.js'

const PAGE = 100
/** Versions that one look takes; the next look goes on from there. */
const VERSIONS_OF_LOOK = 1_000

/** What the formats call commits that lay the same rows out anew, or remove files that nobody reads. */
const WITHOUT_NEW_DATA: ReadonlySet<string> = new Set(['optimize', 'vacuum start', 'vacuum end', 'replace'])

type From = Parameters<Watches['versions']>[1]

/** One listing of a table's log (or one reading of its metadata), and the commits that are new since the last. */
export async function lookAtVersions(
  tables: Pick<Tables, 'versions'>,
  table: string,
  from: From,
): Promise<VersionsLook> {
  const [newest] = await versionsOf(tables, table, { limit: 1 })
  if (newest === undefined) return { versions: [], position: -1, positionAt: null, isPart: false }
  if (await isAnother(tables, table, newest, from)) return lookAtNewTable(tables, table, newest, from)
  const { after, since } = from
  if (after === null) {
    const found = await latelyCommitted(tables, table, since)
    return {
      versions: seen(found, null).filter(({ committedAt }) => committedAt > since),
      position: newest.version,
      positionAt: newest.committedAt,
      isPart: false,
    }
  }
  const { found, ...reached } = await versionsFrom(tables, table, { after, newest })
  return { versions: seen(found, after < 0 ? null : after), ...reached }
}

/**
 * Whether the table was dropped and made anew since it was seen: it has no version so new, or has committed that one at another
 * time. A version that its log does not tell of any more says nothing.
 */
async function isAnother(
  tables: Pick<Tables, 'versions'>,
  table: string,
  newest: TableVersion,
  { highest = -1, highestAt = null }: From,
): Promise<boolean> {
  if (newest.version < highest) return true
  if (highestAt === null) return false
  const there =
    newest.version === highest ? newest : (await versionsOf(tables, table, { limit: 1, before: highest + 1 }))[0]
  return there?.version === highest && there.committedAt !== highestAt
}

/** What is known of its versions was known of another table. */
async function lookAtNewTable(
  tables: Pick<Tables, 'versions'>,
  table: string,
  newest: TableVersion,
  { highestAt = null }: From,
): Promise<VersionsLook> {
  let { found, ...reached } = await versionsFrom(tables, table, { after: -1, newest })
  if (found.length === 0) {
    const after = (await oldestOf(tables, table, newest)).version - 1
    ;({ found, ...reached } = await versionsFrom(tables, table, { after, newest }))
  }
  const since = Math.min(newest.committedAt, ...found.map(({ committedAt }) => committedAt))
  return { versions: seen(found, null), ...reached, anew: { newest: newest.version, since, former: highestAt } }
}

/** The first version that the table still tells of: one that was put back from a copy may have lost its log's beginning. */
async function oldestOf(tables: Pick<Tables, 'versions'>, table: string, newest: TableVersion): Promise<TableVersion> {
  let oldest = newest
  for (;;) {
    const page = await versionsOf(tables, table, { limit: PAGE, before: oldest.version })
    oldest = page.at(-1) ?? oldest
    if (page.length < PAGE) return oldest
  }
}

async function versionsFrom(
  tables: Pick<Tables, 'versions'>,
  table: string,
  { after, newest }: { after: number; newest: TableVersion },
): Promise<Pick<VersionsLook, 'position' | 'positionAt' | 'isPart'> & { found: TableVersion[] }> {
  const position = Math.min(newest.version, after + VERSIONS_OF_LOOK)
  const found: TableVersion[] = []
  for (let low = after; low < position; low += PAGE) {
    const high = Math.min(low + PAGE, position)
    const page = await versionsOf(tables, table, { limit: PAGE, before: high + 1 })
    found.push(...page.filter(({ version }) => version > low))
  }
  const positionAt = [newest, ...found].find(({ version }) => version === position)?.committedAt ?? null
  return { found, position, positionAt, isPart: position < newest.version }
}

/** Those committed after `since`, with the one before them. */
async function latelyCommitted(
  tables: Pick<Tables, 'versions'>,
  table: string,
  since: number,
): Promise<TableVersion[]> {
  const found: TableVersion[] = []
  for (let before: number | undefined; found.length < VERSIONS_OF_LOOK; before = found.at(-1)?.version) {
    const page = await versionsOf(tables, table, { limit: PAGE, ...(before === undefined ? {} : { before }) })
    found.push(...page)
    if (page.length < PAGE || page.some(({ committedAt }) => committedAt <= since)) break
  }
  return found
}

function seen(found: readonly TableVersion[], after: number | null): SeenVersion[] {
  const inOrder = [...found].sort((a, b) => a.version - b.version)
  return inOrder.flatMap(({ version, committedAt, operation, run }, index) => {
    if (WITHOUT_NEW_DATA.has(operation.toLowerCase())) return []
    const before = inOrder[index - 1]?.version ?? after
    return { version, committedAt, before, dag: run === null ? null : dagOfRun(run) }
  })
}

/** A table that does not exist yet has no versions. */
async function versionsOf(
  tables: Pick<Tables, 'versions'>,
  table: string,
  options: { limit: number; before?: number },
): Promise<TableVersion[]> {
  try {
    return await tables.versions(table, options)
  } catch (error) {
    if (isSluiceError(error) && error.code === 'TABLE_UNKNOWN') return []
    throw error
  }
}
