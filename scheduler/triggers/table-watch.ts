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

/** One listing of a table's log (or one reading of its metadata), and the commits that are new since the last. */
export async function lookAtVersions(
  tables: Pick<Tables, 'versions'>,
  table: string,
  { after, since, highest = -1 }: Parameters<Watches['versions']>[1],
): Promise<VersionsLook> {
  const newest = (await versionsOf(tables, table, { limit: 1 }))[0]?.version
  if (newest === undefined) return { versions: [], position: -1, isPart: false }
  if (newest < highest) return lookAtNewTable(tables, table, newest)
  if (after === null) {
    const found = await latelyCommitted(tables, table, since)
    return {
      versions: seen(found, null).filter(({ committedAt }) => committedAt > since),
      position: newest,
      isPart: false,
    }
  }
  const { found, position } = await versionsFrom(tables, table, { after, newest })
  return { versions: seen(found, after < 0 ? null : after), position, isPart: position < newest }
}

/** Dropped and made anew: what is known of its versions was known of another table. */
async function lookAtNewTable(tables: Pick<Tables, 'versions'>, table: string, newest: number): Promise<VersionsLook> {
  const { found, position } = await versionsFrom(tables, table, { after: -1, newest })
  const since = Math.min(...found.map(({ committedAt }) => committedAt))
  return { versions: seen(found, null), position, isPart: position < newest, anew: { newest, since } }
}

async function versionsFrom(
  tables: Pick<Tables, 'versions'>,
  table: string,
  { after, newest }: { after: number; newest: number },
): Promise<{ found: TableVersion[]; position: number }> {
  const position = Math.min(newest, after + VERSIONS_OF_LOOK)
  const found: TableVersion[] = []
  for (let low = after; low < position; low += PAGE) {
    const high = Math.min(low + PAGE, position)
    const page = await versionsOf(tables, table, { limit: PAGE, before: high + 1 })
    found.push(...page.filter(({ version }) => version > low))
  }
  return { found, position }
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
