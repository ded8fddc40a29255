import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tableSource } from '../../cli/table-source.js'
import { openStore } from '../../scheduler/store/open-store.js'
import { giveStore } from '../scheduler/store/pglite-folder.js'

let project: string

/** A project with the table silver.sales, whose versions another engine has committed. */
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'sluice-tables-'))
  writeFileSync(join(project, 'sluice.yaml'), '')
  const log = join(project, 'data/lake/silver/sales/_delta_log')
  mkdirSync(log, { recursive: true })
  const column = { name: 'id', type: 'long', nullable: true, metadata: {} }
  const schemaString = JSON.stringify({ type: 'struct', fields: [column] })
  const created = [
    { commitInfo: { timestamp: 1, operation: 'CREATE TABLE AS SELECT', operationParameters: { queryId: 'q_0' } } },
    { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    { metaData: { id: 'sales', format: { provider: 'parquet', options: {} }, schemaString, partitionColumns: [] } },
  ]
  const written = [{ commitInfo: { timestamp: 2, operation: 'WRITE', operationParameters: { queryId: 'q_1' } } }]
  for (const [version, actions] of [created, written].entries()) {
    const lines = actions.map((action) => `${JSON.stringify(action)}\n`)
    writeFileSync(join(log, `${String(version).padStart(20, '0')}.json`), lines.join(''))
  }
})
afterAll(() => rmSync(project, { recursive: true, force: true }))

async function writers() {
  const complaints: string[] = []
  const source = await tableSource(project, (message) => complaints.push(message))
  const versions = await source.versions('silver.sales', 10)
  return { writers: versions.map(({ version, run, task, attempt }) => [version, run, task, attempt]), complaints }
}

it('names the run behind a version of another engine from the store of a Sluice that does not run', async () => {
  const nobody = [
    [1, null, null, null],
    [0, null, null, null],
  ]
  // a project that has never been started gets no store for the asking
  expect(await writers()).toEqual({ writers: nobody, complaints: [] })
  const store = join(project, 'data/store')
  mkdirSync(store)
  await giveStore(store)
  const opened = await openStore(store, 0)
  await opened.database.query(
    `insert into table_versions (table_name, version, version_before, operation, run_id, task_id, attempt, rows_added,
       rows_updated, rows_removed, bytes, committed_at) values ('silver.sales', 1, 0, 'append', $1, $2, 2, 7, 0, 0, 1, $3)`,
    ['sales/2026-01-01', 'load', new Date(2)],
  )
  // held by a Sluice that this command has not found
  const { writers: unknown, complaints } = await writers()
  expect(unknown).toEqual(nobody)
  expect(complaints).toEqual([expect.stringMatching(/^The runs behind commits of other engines are not shown: .*/)])
  await opened.store.close()
  const known = [
    [1, 'sales/2026-01-01', 'load', 2],
    [0, null, null, null],
  ]
  expect(await writers()).toEqual({ writers: known, complaints: [] })
})
