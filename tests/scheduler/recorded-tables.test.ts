import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { TableVersion } from '../../lakehouse/lakehouse.js'
import { RecordedTables } from '../../scheduler/recorded-tables.js'
import { type OpenStore, openStore } from '../../scheduler/store/open-store.js'
import type { TableWrite } from '../../scheduler/store/store.js'
import { emptied } from './store/emptied.js'
import { migratedFolder } from './store/pglite-folder.js'
import { claimOne, NO_FACTS, NOW, outcomeOf, queuedRun } from './store/suite/subject.js'

let opened: OpenStore
let remove: () => void
beforeAll(async () => {
  const folder = await migratedFolder()
  remove = folder.remove
  opened = await openStore(folder.folder, NOW)
})
afterAll(async () => {
  await opened.store.close()
  remove()
})
beforeEach(() => emptied(opened.database))

const TABLE = 'silver.sales'

function write(version: number, changes: Partial<TableWrite> = {}): TableWrite {
  const rows = { rowsAdded: 1, rowsUpdated: 0, rowsRemoved: 0, rowsTotal: 1, bytes: 10 }
  const versionBefore = version === 0 ? null : version - 1
  return { table: TABLE, version, versionBefore, operation: 'append', ...rows, committedAt: NOW + version, ...changes }
}

/** A run whose task has made these commits. */
async function ran(dagId: string, ...writes: TableWrite[]): Promise<string> {
  const { store } = opened
  const runId = await queuedRun(store, dagId, { taskIds: ['a'] })
  const outcome = { ...outcomeOf(await claimOne(store)), facts: { ...NO_FACTS, writes } }
  expect(await store.recordOutcomes([outcome], NOW)).toEqual(['recorded'])
  return runId
}

/** What a table says of itself whose commits leave no room for a run. */
function listed(...commits: Pick<TableVersion, 'version' | 'committedAt'>[]): RecordedTables {
  const rest = { operation: 'WRITE', rowsAdded: null, rowsUpdated: null, rowsRemoved: null, reason: '', token: null }
  const versions = commits.map((commit) => ({ ...rest, run: null, task: null, attempt: null, user: null, ...commit }))
  const unused = () => Promise.reject(new Error('not asked for'))
  const others = { tables: unused, summary: unused, schema: unused, rollback: unused, remembersSince: unused }
  const source = { ...others, versions: async () => versions }
  return new RecordedTables(source, opened.database, ['lake'])
}

async function runsOf(tables: RecordedTables): Promise<(string | null)[]> {
  return (await tables.versions(TABLE, { limit: 9 })).map(({ run }) => run)
}

it('names the run behind a version, and not that of a commit of the same number in a table that was dropped', async () => {
  const former = await ran('former', write(0), write(1))
  expect(await runsOf(listed(write(0), write(1)))).toEqual([former, former])
  // made anew outside of Sluice
  const outside = write(1, { committedAt: NOW + 5_000 })
  expect(await runsOf(listed(outside))).toEqual([null])
  // and by a run
  const again = await ran('again', outside)
  expect(await runsOf(listed(outside))).toEqual([again])
})

it('leaves a version to the run that made it, whoever finds nothing to change in it later', async () => {
  const run = await ran('first', write(0))
  await ran('second', write(0, { versionBefore: 0, committedAt: NOW + 9_000 }))
  expect(await runsOf(listed(write(0)))).toEqual([run])
  // what is told once more by a retry changes nothing, nor does an older commit
  await ran('third', write(0))
  await ran('fourth', write(0, { committedAt: NOW - 1 }))
  expect(await runsOf(listed(write(0)))).toEqual([run])
  // both at once, in one batch
  const both = await ran('fifth', write(1, { versionBefore: 1, committedAt: NOW + 9_000 }), write(1))
  expect(await runsOf(listed(write(1)))).toEqual([both])
})
