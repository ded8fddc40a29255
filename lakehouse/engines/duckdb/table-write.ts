import { SluiceError } from '../../../errors.js'
import type { Instant, JsonObject } from '../../../json.js'
import type { Table } from '../../catalogs.js'
import { crashPoints } from '../../crash-points.js'
import type { WriteMode } from '../../lakehouse.js'
import type { AddFile } from '../../tables/delta/actions.js'
import { CHECKPOINT_INTERVAL, writeCheckpoint } from '../../tables/delta/checkpoint-writer.js'
import { persistDataFiles } from '../../tables/delta/data-files.js'
import { assertWritable } from '../../tables/delta/protocol.js'
import { type Author, type Published, publish, publishedCommit } from '../../tables/delta/publish.js'
import type { Snapshot } from '../../tables/delta/snapshot.js'
import {
  assertFresh,
  cleanStaging,
  closeStaging,
  discardStaging,
  openStaging,
  type StagingArea,
} from '../../tables/delta/staging.js'
import { nullsOf } from '../../tables/delta/stats.js'
import { fileChange } from './changes.js'
import { type Layout, layoutFor, type SourceColumn, sameLayout } from './layout.js'
import { assertMergeKeys, MergePublication } from './merge.js'
import type { FileSet } from './relation.js'
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
  facts: JsonObject
  now: Instant
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
    const area = await openStaging(write.table, write.token, write.now)
    const result = await attempt(write, area).catch(async (error: unknown) => {
      await discardStaging(write.table, area)
      throw error
    })
    if (result.outcome !== 'stale') return result
    write.log('info', `Table ${write.table.label} changed while the rows were computed; computing them again.`)
  }
  const message = `Table ${write.table.label} changed ${MAX_ROUNDS} times while its new rows were computed.`
  throw new SluiceError('COMMIT_CONFLICT', message)
}

/** The outcome for a token that is in the log, or null. */
export async function alreadyPublished(write: Pick<TableWrite, 'table' | 'token' | 'now'>): Promise<Published | null> {
  const snapshot = await write.table.log.latest()
  if (snapshot === null) return null
  const commit = await publishedCommit(write.table.log, snapshot, write.token)
  if (commit === null) return null
  await cleanStaging(write.table, snapshot, write.token, write.now)
  return { outcome: 'already_published', commit, snapshot }
}

async function attempt(write: TableWrite, area: StagingArea) {
  const { table } = write
  const source = await write.source()
  const snapshot = await table.log.latest()
  const layout = layoutFor(table, snapshot, source.columns, write)
  if (snapshot !== null) assertWritable(snapshot.protocol, snapshot.metadata, table.label, write.mode !== 'append')
  const files = await stage({
    ...write,
    select: `SELECT ${layout.expressions.join(', ')} FROM ${source.relation}`,
    fields: layout.fields,
    partitionColumns: layout.partitionColumns,
    folder: area.folder,
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
  const result = await publishStaged(write, area, layout, staged, source.readVersion)
  if (result.outcome === 'stale') await discardStaging(table, area)
  return result
}

async function publishStaged(
  write: TableWrite,
  area: StagingArea,
  layout: Layout,
  staged: FileSet,
  readVersion: number | null,
) {
  const { table } = write
  const author: Author = { token: write.token, facts: write.facts, now: write.now, signal: write.signal }
  const merge = write.mode === 'merge' ? new MergePublication(write, staged) : null
  // Only now, so that what the checks refuse is never uploaded; a merge knows best which files it needs.
  if (merge === null) await persistDataFiles(table, staged.files, write.signal)
  const startedAt = performance.now()
  const result = await publish(table.log, author, async (snapshot) => {
    assertFresh(area, write.now + (performance.now() - startedAt))
    const moved = readVersion !== null && snapshot?.version !== readVersion
    if (moved || !stillFits(write, layout, snapshot)) return 'stale'
    if (snapshot !== null) assertWritable(snapshot.protocol, snapshot.metadata, table.label, write.mode !== 'append')
    if (merge !== null) return merge.change(snapshot, layout)
    return fileChange({ table, mode: write.mode, layout, snapshot, files: staged.files, now: write.now })
  }).finally(() => merge?.discardUnused())
  if (result.outcome === 'stale') return result
  // A merge that rewrote files has put the staged rows into those.
  const live = staged.files.some((file) => result.snapshot.files.has(file.path))
  if (result.outcome === 'published' && live) await closeStaging(table, area)
  else await discardStaging(table, area)
  await merge?.close(result.outcome === 'published')
  await afterwards(write, result)
  return result
}

/** Housekeeping after a commit; the commit stands whatever becomes of it. */
async function afterwards(write: TableWrite, { outcome, snapshot }: Published): Promise<void> {
  const { table } = write
  try {
    const deleted = await cleanStaging(table, snapshot, write.token, write.now)
    if (deleted.length > 0) write.log('info', `Deleted what ${deleted.length} crashed attempts had staged.`)
    if (outcome === 'published' && snapshot.version % CHECKPOINT_INTERVAL === 0) {
      await writeCheckpoint(table.store, table.log.prefix, snapshot, write.now)
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    write.log('warn', `The commit to ${table.label} stands, but its housekeeping failed: ${message}`)
  }
}

/** Another writer may have changed the schema since the rows were staged; an overwrite replaces it anyway. */
function stillFits(write: TableWrite, layout: Layout, snapshot: Snapshot | null): boolean {
  if (snapshot === null || write.mode === 'overwrite') return true
  if (sameLayout(layout, snapshot)) return true
  if (!write.evolve) return false
  const known = new Set(layout.fields.map((field) => field.name))
  return snapshot.fields.every((field) => known.has(field.name))
}

function assertNotNull(table: Table, layout: Layout, files: AddFile[]): void {
  for (const field of layout.fields) {
    if (field.nullable) continue
    const isNull = (file: AddFile): boolean =>
      layout.partitionColumns.includes(field.name)
        ? file.partitionValues[field.name] === null
        : nullsOf(file.stats, field.name) !== 0
    if (!files.some(isNull)) continue
    const message = `The result for ${table.label} has NULL in column ${field.name}, which the table declares NOT NULL.`
    throw new SluiceError('SCHEMA_MISMATCH', message, { retryable: false })
  }
}
