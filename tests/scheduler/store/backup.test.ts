import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { restoreBackup } from '../../../scheduler/store/backup/restore.js'
import { writeBackup } from '../../../scheduler/store/backup/write.js'
import { openStore } from '../../../scheduler/store/open-store.js'
import { migratedFolder } from './pglite-folder.js'
import { everyRow } from './suite/every-row.js'
import { dagNamed, NOW, newRun, runningRun } from './suite/subject.js'

const here = mkdtempSync(join(tmpdir(), 'sluice-backup-'))
const source = await migratedFolder()
const target = await migratedFolder()
const empty = await migratedFolder()
const file = join(here, 'history.backup')
const ODD = 'quotes " \' \\ {braces}, a line\nand 😀'
let before: Record<string, unknown[]>

beforeAll(async () => {
  const { store, database } = await openStore(source.folder, NOW)
  await store.registerDags(
    {
      dags: [dagNamed('sales', { description: ODD, params: { big: { type: 'integer', default: 9007199254740991 } } })],
      broken: [],
      problems: [],
      nextDue: {},
    },
    NOW,
  )
  for (let index = 0; index < 3; index++)
    await store.createRun(newRun('sales', { dueAt: NOW + index, params: { text: ODD, none: null } }), { now: NOW })
  await runningRun(store, 'other')
  await store.beginEpoch('test', NOW)
  await store.beginEpoch('test again', NOW)
  await store.saveUser('mira', 'admin', NOW)
  // more than one fetch and more than one insert
  await database.query(
    "insert into audit (at, user_name, action, target, detail) select now(), 'mira', 'x', 'y' || i, '{}'::jsonb from generate_series(1, 2300) i",
  )
  before = await everyRow(database)
  await store.close()
  await writeBackup({ location: source.folder, file, version: '0.0.0', now: NOW })
})
afterAll(() => {
  source.remove()
  target.remove()
  rmSync(here, { recursive: true, force: true })
})

const restore = (from: string, location = target.folder) => restoreBackup({ location, file: from, now: NOW })

/** The same backup with its lines changed. */
function changed(name: string, change: (lines: string[]) => string[]): string {
  const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n')
  const path = join(here, name)
  writeFileSync(path, gzipSync(`${change(lines).join('\n')}\n`))
  return path
}

describe('a backup that is not whole', () => {
  afterAll(() => empty.remove())

  it.each([
    ['without its end', () => changed('cut', (lines) => lines.slice(0, -1)), /cut off/],
    ['with a row less', () => changed('less', (lines) => lines.toSpliced(-2, 1)), /rows and says/],
    ['torn in the middle', () => torn(), /not a whole backup/],
    ['that is something else', () => changed('other', () => ['{"a":1}']), /not a backup of Sluice/],
    ['that is not there', () => join(here, 'nothing'), /not a whole backup/],
    [
      'of another table',
      () => changed('table', (lines) => lines.map((line) => line.replace('{"table":"runs"', '{"table":"runz"'))),
      /does not fit/,
    ],
  ])('%s is refused, and the store stays empty', async (_, path, sentence) => {
    await expect(restore(path(), empty.folder)).rejects.toMatchObject({ code: 'BACKUP_INVALID', message: sentence })
  })

  it('of a newer Sluice is refused', async () => {
    const newer = changed('newer', ([header = '', ...rest]) => [
      header.replace('"migrations":[', '"migrations":[{"number":9999,"name":"9999_later.sql","checksum":"x"},'),
      ...rest,
    ])
    await expect(restore(newer, empty.folder)).rejects.toMatchObject({ code: 'STORE_TOO_NEW' })
  })

  it('leaves nothing behind', async () => {
    const { database, store } = await openStore(empty.folder, NOW)
    for (const table of ['runs', 'dags', 'users', 'epochs'])
      expect(await database.query(`select 1 from ${table} limit 1`)).toEqual([])
    await store.close()
  })

  function torn(): string {
    const path = join(here, 'torn')
    const bytes = readFileSync(file)
    writeFileSync(path, bytes.subarray(0, bytes.length / 2))
    return path
  }
})

describe('a backup', () => {
  it('is readable by its owner only, and overwrites nothing', async () => {
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const again = writeBackup({ location: source.folder, file, version: '0.0.0', now: NOW })
    await expect(again).rejects.toMatchObject({ code: 'FILE_EXISTS' })
    const nowhere = writeBackup({ location: source.folder, file: join(here, 'no/folder'), version: '0.0.0', now: NOW })
    await expect(nowhere).rejects.toMatchObject({ code: 'NOT_WRITABLE' })
  })

  it('is not taken of a store that somebody works on', async () => {
    const { store } = await openStore(source.folder, NOW)
    const taken = writeBackup({ location: source.folder, file: join(here, 'x'), version: '0.0.0', now: NOW })
    await expect(taken).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    await store.close()
  })

  it('restored into an empty store gives every row back, and the store goes on counting', async () => {
    const summary = await restore(file)
    expect(summary.tables).toMatchObject({ runs: 4, audit: 2300 })
    const { store, database } = await openStore(target.folder, NOW)
    expect(await everyRow(database)).toEqual(before)
    const last = await store.currentEpoch()
    expect((await store.beginEpoch('after the restore', NOW)).epoch).toBe(last + 1)
    await store.close()
  })

  it('is not restored over what is there', async () => {
    await expect(restore(file)).rejects.toMatchObject({ code: 'STORE_NOT_EMPTY' })
  })
})
