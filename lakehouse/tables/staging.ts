import { createHash, randomUUID } from 'node:crypto'
import { SluiceError } from '../../errors.js'
import { type Instant, isObject } from '../../json.js'
import type { OpenTable, TableSnapshot } from './table.js'

/**
 * Data files are written where they stay, into a folder of their own per attempt, and belong to the table only once a
 * commit names them. A marker in `_staging/` says whose folder it is, so that what crashed attempts left behind is found:
 *
 * - marker, then data files, then commit, then marker gone: a crash in between leaves a marker;
 * - leftovers of the same token are deleted after that token's commit: from then on no other attempt can commit;
 * - leftovers of tokens that never commit are deleted when they are a week old, and no attempt commits files of that age.
 */
const ABANDONED_AFTER_MS = 7 * 86_400_000
const PUBLISH_WITHIN_MS = 6 * 86_400_000

export interface StagingArea {
  token: string
  /** name of the attempt's folder below the table */
  folder: string
  startedAt: Instant
}

/** Registers a new attempt; returns once its marker is durable. */
export async function openStaging(table: OpenTable, token: string, now: Instant): Promise<StagingArea> {
  const area = { token, folder: `${tokenPrefix(token)}-${randomUUID().slice(0, 8)}`, startedAt: now }
  await table.store.put(await markerKey(table, area.folder), Buffer.from(JSON.stringify(area)))
  return area
}

/** @throws SluiceError COMMIT_CONFLICT when the files are so old that a clean-up may have taken them */
export function assertFresh(area: StagingArea, now: Instant): void {
  if (now - area.startedAt <= PUBLISH_WITHIN_MS) return
  throw new SluiceError('COMMIT_CONFLICT', 'The write was staged more than six days ago; it has to start anew.')
}

/** Ends an attempt whose files were published, or that wrote none. */
export async function closeStaging(table: OpenTable, area: StagingArea): Promise<void> {
  await table.store.delete([await markerKey(table, area.folder)])
}

/** Ends an attempt that will not publish: its files go first, its marker last. */
export async function discardStaging(table: OpenTable, area: StagingArea): Promise<void> {
  await table.store.deleteAll(await stagingFolder(table, area))
  await closeStaging(table, area)
}

/**
 * Deletes what earlier attempts left behind. Call it after a commit of `token`.
 * @param snapshot the version the commit made, or a later one
 * @returns names of the folders that were deleted
 */
export async function cleanStaging(
  table: OpenTable,
  snapshot: TableSnapshot,
  token: string,
  now: Instant,
): Promise<string[]> {
  const deleted: string[] = []
  for (const name of await table.store.list(`${await table.root()}/_staging`)) {
    const area = await readMarker(table, name)
    if (area === null) continue
    const abandoned = area.startedAt < now - ABANDONED_AFTER_MS
    if (area.token !== token && !abandoned) continue
    if (await table.namesFilesIn(snapshot, `${await stagingFolder(table, area)}/`, area.token)) {
      await closeStaging(table, area)
    } else {
      await discardStaging(table, area)
      deleted.push(area.folder)
    }
  }
  return deleted
}

async function readMarker(table: OpenTable, name: string): Promise<StagingArea | null> {
  const content = await table.store.read(`${await table.root()}/_staging/${name}`)
  if (content === null) return null
  const marker = JSON.parse(content.toString('utf8'))
  if (!isObject(marker) || typeof marker.token !== 'string' || typeof marker.folder !== 'string') return null
  if (!FOLDER.test(marker.folder) || typeof marker.startedAt !== 'number') return null
  return { token: marker.token, folder: marker.folder, startedAt: marker.startedAt }
}

const FOLDER = /^[0-9a-f]{16}-[0-9a-f]{8}$/

function tokenPrefix(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 16)
}

/** Key of the folder that holds the files of an attempt. */
export async function stagingFolder(table: OpenTable, area: StagingArea): Promise<string> {
  return `${await table.stagingRoot()}/${area.folder}`
}

async function markerKey(table: OpenTable, folder: string): Promise<string> {
  return `${await table.root()}/_staging/${folder}.json`
}
