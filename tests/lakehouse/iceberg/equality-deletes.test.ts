import { readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { JsonObject } from '../../../json.js'
import { Catalogs } from '../../../lakehouse/catalogs.js'
import {
  ADDED,
  type ManifestContent,
  manifestFile,
  writeManifest,
  writeManifestList,
} from '../../../lakehouse/tables/iceberg/manifests.js'
import {
  currentSchema,
  defaultSpec,
  formatMetadata,
  parseMetadata,
  type SnapshotId,
} from '../../../lakehouse/tables/iceberg/metadata.js'
import { IcebergSnapshot } from '../../../lakehouse/tables/iceberg/snapshot.js'
import { IcebergLake } from './iceberg-lake.js'

let lake: IcebergLake
beforeEach(() => {
  lake = new IcebergLake()
})
afterEach(() => lake.remove())

/**
 * Commits an equality delete as a streaming engine does: rows equal to those of another table's file in its first column.
 * @param format of the file that holds the deleted values
 */
async function deleteEqual(table: string, other: string, format = 'PARQUET'): Promise<void> {
  const catalogs = await Catalogs.open(lake.config)
  const [target, values] = [await catalogs.table(table).latest(), await catalogs.table(other).latest()]
  if (!(target instanceof IcebergSnapshot) || !(values instanceof IcebergSnapshot)) throw new Error('no such tables')
  const [file] = values.files.values()
  if (file === undefined) throw new Error('nothing to delete')
  const { metadata, metadataLocation } = target
  const [id, sequenceNumber] = [42n, BigInt(target.version + 1)]
  const content: ManifestContent = {
    spec: defaultSpec(metadata),
    fields: target.fields,
    schema: currentSchema(metadata) as unknown as JsonObject,
    content: 1,
    entries: [
      {
        status: ADDED,
        snapshot_id: id,
        sequence_number: sequenceNumber,
        file_sequence_number: sequenceNumber,
        data_file: { ...file.record, content: 2, equality_ids: [1], file_format: format },
      },
    ],
  }
  const folder = dirname(metadataLocation)
  const manifest = writeManifest(content)
  writeFileSync(`${folder}/deletes-m0.avro`, manifest)
  const line = manifestFile(`${folder}/deletes-m0.avro`, manifest.length, content, { id, sequenceNumber })
  const lines = [...target.manifests.map((loaded) => loaded.file), line]
  writeFileSync(`${folder}/deletes.avro`, writeManifestList(lines, { snapshotId: id, parentId: 1n, sequenceNumber }))
  const next = parseMetadata(readFileSync(metadataLocation), metadataLocation)
  const snapshotId: SnapshotId = Number(id)
  next.snapshots?.push({
    'snapshot-id': snapshotId,
    'sequence-number': Number(sequenceNumber),
    'timestamp-ms': next['last-updated-ms'],
    'manifest-list': `${folder}/deletes.avro`,
    summary: { operation: 'delete' },
  })
  next['last-sequence-number'] = Number(sequenceNumber)
  next['current-snapshot-id'] = snapshotId
  next.refs = { main: { 'snapshot-id': snapshotId, type: 'branch' } }
  writeFileSync(`${folder}/99999-deleted.metadata.json`, formatMetadata(next))
  await lake.pointTo(table, `${folder}/99999-deleted.metadata.json`)
}

it('rows deleted by equality stay deleted, and rows written later do not', async () => {
  await lake.write('silver.t', `select range::bigint as id, 'a' as name from range(5)`)
  await lake.write('silver.gone', `select * from (values (1::bigint, 'x'), (3, 'y')) as t(id, name)`)
  await deleteEqual('silver.t', 'silver.gone')
  expect(await lake.rows('select id from silver.t order by id')).toEqual([[0], [2], [4]])
  expect(await lake.rows('select name, count(*) from silver.t group by all')).toEqual([['a', 3]])
  await lake.write('silver.t', `select 3::bigint as id, 'back' as name`, { mode: 'merge', keys: ['id'] })
  await lake.write('silver.t', `select 2::bigint as id, 'new' as name`, { mode: 'merge', keys: ['id'] })
  expect(await lake.rows('select id, name from silver.t order by id')).toEqual([
    [0, 'a'],
    [2, 'new'],
    [3, 'back'],
    [4, 'a'],
  ])
})

it('deletion vectors are refused by name', async () => {
  await lake.write('silver.t', `select range::bigint as id from range(5)`)
  await lake.write('silver.gone', `select 1::bigint as id`)
  await deleteEqual('silver.t', 'silver.gone', 'PUFFIN')
  await expect(lake.rows('select * from silver.t')).rejects.toMatchObject({
    code: 'TABLE_UNSUPPORTED',
    message: expect.stringContaining('deletion vectors'),
  })
})
