import { messageOf, SluiceError } from '../../../errors.js'
import type { Instant, JsonObject } from '../../../json.js'
import type { Table } from '../../catalogs.js'
import { crashPoints } from '../../crash-points.js'
import type { WriteMode } from '../../lakehouse.js'
import { commitUnknown } from '../../tables/commit-unknown.js'
import {
  assertFresh,
  cleanStaging,
  closeStaging,
  discardStaging,
  openStaging,
  type StagingArea,
} from '../../tables/staging.js'
import { type Author, type DataFile, type Published, sameLayout, type TableSnapshot } from '../../tables/table.js'
import { fileChange } from './changes.js'
import type { FoundNumbers } from './handle.js'
import { type Layout, layoutFor, type SourceColumn } from './layout.js'
import { assertMergeKeys, MergePublication } from './merge.js'
import { type FileSet, persistDataFiles } from './relation.js'
import type { DuckdbSession } from './session.js'
import { stage } from './stage.js'

/** Rows on their way into a table. */
export interface TableWrite {
  session: DuckdbSession
  table: Table
  mode: WriteMode
  keys: string[]
  partitionBy: string[]
  /** see `layoutFor` */
  evolve: boolean
  token: string
  /** what the commit says of itself; asked for right before it */
  facts: () => JsonObject
  /** what the tables had given when attempts were about to commit */
  found: FoundNumbers
  /** the clock */
  now: () => Instant
  signal: AbortSignal
  log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
  /** Makes the rows ready; called anew when the write has to start over because the table moved on. */
  source: () => Promise<RowSource>
  /** Looks at the staged rows; `refuse` ends the write with the table untouched. */
  audit: (staged: FileSet) => Promise<'publish' | 'refuse'>
}

export interface RowSource {
  /** what stands after FROM */
  relation: string
  columns: SourceColumn[]
  /** the version of the written table that the rows were computed from; null when they do not depend on it */
  readVersion: number | null
}

/** Times a write is staged anew because its own table changed under it. */
const MAX_ROUNDS = 5

/**
 * Write, audit, publish. At most one commit of a token ever happens, whoever runs how often; a crash at any moment leaves
 * the table at a version some commit made.
 */
export async function writeTable(write: TableWrite): Promise<Published | { outcome: 'refused' }> {
  const earlier = await alreadyPublished(write)
  if (earlier !== null) return earlier
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const stagedFor: Staged = { area: await openStaging(write.table, write.token, write.now()), mayBeLive: false }
    const result = await attempt(write, stagedFor).catch(async (error: unknown) => {
      await abandon(write, stagedFor)
      throw error
    })
    if (result.outcome !== 'stale') return result
    write.log('info', `Table ${write.table.label} changed while the rows were computed; computing them again.`)
  }
  const message = `Table ${write.table.label} changed ${MAX_ROUNDS} times while its new rows were computed.`
  throw new SluiceError('COMMIT_CONFLICT', message)
}

/** What one round has staged. */
interface Staged {
  area: StagingArea
  /** A commit that names the files was sent. Whatever was heard of it since: it may stand, or still arrive. */
  mayBeLive: boolean
}

/**
 * Deletes what a failed round has staged, unless a commit may name it: then its marker stays, and the next attempt of the
 * task, which sees whether there was a commit, deletes it or not.
 */
async function abandon(write: TableWrite, { area, mayBeLive }: Staged): Promise<void> {
  if (mayBeLive) return
  try {
    await discardStaging(write.table, area)
  } catch (error) {
    // it is why the write failed that is told; the marker leads the next attempt here
    write.log('warn', `What was staged for ${write.table.label} could not be deleted: ${messageOf(error)}`)
  }
}

/**
 * The outcome for a token that is in the log, or null.
 * @throws SluiceError COMMIT_UNKNOWN when it may have been there
 */
async function alreadyPublished(write: TableWrite): Promise<Published | null> {
  const snapshot = await write.table.latest()
  if (snapshot === null) return null
  const known = await write.table.publishedCommit(snapshot, write.token)
  if (known === null) {
    const before = write.found.before(write.table)
    if (before === null || (await write.table.remembersSince(before))) return null
    throw commitUnknown(write.table.label, before)
  }
  await cleanStaging(write.table, snapshot, write.token, write.now())
  return { outcome: 'already_published', ...known, snapshot }
}

async function attempt(write: TableWrite, stagedFor: Staged) {
  const { table } = write
  const { area } = stagedFor
  const source = await write.source()
  const snapshot = await table.latest()
  const layout = layoutFor(table, snapshot, source.columns, write)
  if (snapshot !== null) table.assertWritable(snapshot, write.mode)
  const files = await stage({
    ...write,
    select: `SELECT ${layout.expressions.join(', ')} FROM ${source.relation}`,
    fields: layout.fields,
    partitionColumns: layout.partitionColumns,
    area,
    subject: 'The SQL',
  })
  assertNotNull(table, layout, files)
  const staged: FileSet = { table, fields: layout.fields, partitionColumns: layout.partitionColumns, files }
  crashPoints.reached('staged')
  if (write.mode === 'merge') await assertMergeKeys(write, staged)
  const verdict = await write.audit(staged)
  crashPoints.reached('audited')
  if (verdict === 'refuse') {
    await discardStaging(table, area)
    return { outcome: 'refused' } as const
  }
  const result = await publishStaged(write, stagedFor, layout, staged, source.readVersion)
  if (result.outcome === 'stale') await discardStaging(table, area)
  return result
}

async function publishStaged(
  write: TableWrite,
  stagedFor: Staged,
  layout: Layout,
  staged: FileSet,
  readVersion: number | null,
) {
  const { table } = write
  const author: Author = { token: write.token, facts: write.facts(), now: write.now, signal: write.signal }
  const merge = write.mode === 'merge' ? new MergePublication(write, staged) : null
  // Only now, so that what the checks refuse is never uploaded; a merge knows best which files it needs.
  if (merge === null) await persistDataFiles(table, staged.files, write.signal)
  const result = await table.publish(author, async (snapshot) => {
    assertFresh(stagedFor.area, write.now())
    const moved = readVersion !== null && snapshot?.version !== readVersion
    if (moved || !stillFits(write, layout, snapshot)) return 'stale'
    if (snapshot !== null) table.assertWritable(snapshot, write.mode)
    const files = staged.files
    const change =
      merge === null ? await fileChange({ ...write, layout, snapshot, files }) : await merge.change(snapshot, layout)
    await write.found.keep(table, snapshot?.lastNumber ?? -1)
    stagedFor.mayBeLive = true
    return change
  })
  if (result.outcome === 'stale') await merge?.discardUnused()
  else await afterwards(write, stagedFor.area, staged, merge, result)
  return result
}

/** Housekeeping after a commit; the commit stands whatever becomes of it. */
async function afterwards(
  write: TableWrite,
  area: StagingArea,
  staged: FileSet,
  merge: MergePublication | null,
  { outcome, snapshot }: Published,
): Promise<void> {
  const { table } = write
  try {
    // A merge that rewrote files has put the staged rows into those.
    const live = staged.files.some((file) => snapshot.files.has(file.path))
    if (live) await closeStaging(table, area)
    else await discardStaging(table, area)
    await merge?.close(outcome === 'published')
    await merge?.discardUnused()
    const deleted = await cleanStaging(table, snapshot, write.token, write.now())
    if (deleted.length > 0) write.log('info', `Deleted what ${deleted.length} crashed attempts had staged.`)
    if (outcome === 'published') await table.maintain(snapshot, write.now())
  } catch (error) {
    write.log('warn', `The commit to ${table.label} stands, but its housekeeping failed: ${messageOf(error)}`)
  }
}

/** Another writer may have changed the schema since the rows were staged; an overwrite replaces it anyway. */
function stillFits(write: TableWrite, layout: Layout, snapshot: TableSnapshot | null): boolean {
  if (snapshot === null || write.mode === 'overwrite') return true
  if (sameLayout(layout, snapshot)) return true
  if (!write.evolve) return false
  const known = new Set(layout.fields.map((field) => field.name))
  return snapshot.fields.every((field) => known.has(field.name))
}

function assertNotNull(table: Table, layout: Layout, files: DataFile[]): void {
  for (const field of layout.fields) {
    if (field.nullable) continue
    const isNull = (file: DataFile): boolean =>
      layout.partitionColumns.includes(field.name)
        ? file.partitionValues[field.name] === null
        : file.nulls(field.name) !== 0
    if (!files.some(isNull)) continue
    const message = `The result for ${table.label} has NULL in column ${field.name}, which the table declares NOT NULL.`
    throw new SluiceError('SCHEMA_MISMATCH', message, { retryable: false })
  }
}
