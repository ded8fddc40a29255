import { SluiceError } from '../../../errors.js'
import { mapBounded } from '../../objects/concurrency.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { Author, TableChange } from '../table.js'
import { manifestObjects, planManifests } from './commit-files.js'
import { mayAdopt, newMetadata, withLayout } from './commit-metadata.js'
import { IcebergFile, ownFile } from './iceberg-file.js'
import type { Locations } from './locations.js'
import { currentSchema, type IcebergMetadata, specOf } from './metadata.js'
import { specFor } from './partitions.js'
import type { CommitIdentity, PreparedCommit } from './publish.js'
import { fieldsOf } from './schema.js'
import type { IcebergSnapshot } from './snapshot.js'
import { summaryOf } from './summary.js'

const CONCURRENT_LOOKS = 16

export interface ChangeRequest {
  before: IcebergSnapshot | null
  change: TableChange
  author: Author
  identity: CommitIdentity
  /** key of the table in the store */
  root: string
  locations: Locations
}

/** The commit of a change; `stale` when its columns got ids that mean other columns by now. */
export function prepareChange(request: ChangeRequest): PreparedCommit | 'stale' {
  const { before, change, author, identity, root, locations } = request
  const { fields, partitionColumns } = change.layout
  const base = before?.metadata ?? newMetadata(locations.location(root))
  if (!mayAdopt(base, fields)) return 'stale'
  // Specs may partition by columns that are gone; what partitions from now on is among the columns of the layout.
  const spec = specFor(partitionColumns, fields, base)
  const metadata = withLayout(base, fields, spec)
  const added = change.added.map((file) => {
    const { record, key } = ownFile(file)
    return new IcebergFile(record, null, spec, key, [], fields)
  })
  const removed = change.removed.map(ownFile)
  const snapshot = { id: identity.id, sequenceNumber: identity.sequenceNumber, root }
  const known = [...fields, ...(before?.allFields ?? []).filter((field) => !fields.some(({ id }) => id === field.id))]
  const plan = planManifests(before, { added, removed }, { snapshot, metadata, fields: known, spec })
  const { lines, objects } = manifestObjects(plan, snapshot, (key) => locations.location(key))
  const gone = new Set(removed.map(({ path }) => path))
  const live = [...(before?.files.values() ?? [])].filter(({ path }) => !gone.has(path))
  const facts = {
    operation: change.mode,
    rowsAdded: change.rowsAdded,
    rowsUpdated: change.rowsUpdated,
    rowsRemoved: change.rowsRemoved,
    versionBefore: before?.version ?? null,
  }
  const summary = {
    ...deleteTotals(before),
    ...summaryOf(facts, author, { added, removed, live: [...live, ...added] }),
  }
  return { metadata, lines, objects, summary }
}

/**
 * The commit that makes an older snapshot's content current again: a new snapshot with the manifests of the old one. No
 * file is written or deleted, and the rollback can itself be rolled back.
 * @throws SluiceError VERSION_UNKNOWN when files of the old snapshot are gone
 */
export async function prepareRollback(request: {
  before: IcebergSnapshot
  target: IcebergSnapshot
  author: Author
  store: ObjectStore
  table: string
}): Promise<PreparedCommit> {
  const { before, target, author, store, table } = request
  const returning = [...target.files.values()].filter((file) => !before.files.has(file.path))
  const leaving = [...before.files.values()].filter((file) => !target.files.has(file.path))
  await assertFilesExist(store, returning, target.version, table)
  const rows = (files: IcebergFile[]) => files.reduce((sum, { record }) => sum + Number(record.record_count), 0)
  const facts = {
    operation: `rollback to ${target.version}`,
    rowsAdded: rows(returning),
    rowsUpdated: 0,
    rowsRemoved: rows(leaving),
    versionBefore: before.version,
  }
  const live = [...target.files.values()]
  return {
    metadata: restoredLayout(before.metadata, target),
    lines: target.manifests.map(({ file }) => file),
    objects: [],
    summary: {
      ...deleteTotals(target),
      ...summaryOf(facts, author, { added: returning, removed: leaving, live }),
    },
  }
}

/** A snapshot names its schema, and its files tell how it was partitioned. */
function restoredLayout(metadata: IcebergMetadata, target: IcebergSnapshot): IcebergMetadata {
  const specs = new Set(
    target.manifests.filter(({ file }) => file.content === 0).map(({ file }) => file.partition_spec_id),
  )
  const [only] = specs
  const schemaId = target.entry?.['schema-id'] ?? currentSchema(metadata)['schema-id'] ?? 0
  const restored = { ...metadata, 'current-schema-id': schemaId }
  if (specs.size !== 1 || only === undefined) return restored
  const ids = new Set(fieldsOf(currentSchema(restored)).map(({ id }) => id))
  const usable = specOf(metadata, only).fields.every((field) => ids.has(field['source-id']))
  return usable ? { ...restored, 'default-spec-id': only } : restored
}

/** Delete files of others stay as they are through our commits. */
function deleteTotals(snapshot: IcebergSnapshot | null): Record<string, string> {
  const total = (key: string) => snapshot?.entry?.summary?.[key] ?? '0'
  const keys = ['total-delete-files', 'total-position-deletes', 'total-equality-deletes']
  return Object.fromEntries(keys.map((key) => [key, total(key)]))
}

async function assertFilesExist(store: ObjectStore, files: IcebergFile[], version: number, table: string) {
  await mapBounded(files, CONCURRENT_LOOKS, async (file) => {
    if ((await store.stat(file.key)) !== null) return
    const message = `Version ${version} of ${table} cannot come back: its file ${file.path} was deleted.`
    throw new SluiceError('VERSION_UNKNOWN', message, { hint: 'Choose a version whose files still exist.' })
  })
}
