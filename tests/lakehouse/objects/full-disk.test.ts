import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, it } from 'vitest'
import { duckdbError } from '../../../lakehouse/engines/duckdb/errors.js'
import { FULL_DISK_HINT, onLakeDisk } from '../../../lakehouse/objects/disk-errors.js'
import { FolderStore } from '../../../lakehouse/objects/folder.js'

it('a full disk is told as such, with what to do', async () => {
  // the one device that is full on every machine
  await expect(onLakeDisk('/srv/lake/t', () => writeFile('/dev/full', 'x'))).rejects.toMatchObject({
    code: 'NOT_WRITABLE',
    message: 'Sluice cannot write to the lakehouse at /srv/lake/t (ENOSPC).',
    hint: expect.stringContaining('Make room'),
    retryable: true,
  })
})

it('DuckDB tells of a full disk as of one, not of SQL to mend', async () => {
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  const copy = connection.run(`COPY (SELECT range FROM range(1000000)) TO '/dev/full' (FORMAT csv, USE_TMP_FILE false)`)
  const error: unknown = await copy.catch((thrown: unknown) => thrown)
  connection.closeSync()
  instance.closeSync()
  expect(duckdbError(error, 'The SQL', '1GB')).toMatchObject({
    code: 'NOT_WRITABLE',
    message: expect.stringMatching(/^The SQL found no room on the disk: .*No space left on device/),
    hint: FULL_DISK_HINT,
  })
})

it('all that writes to a folder tells what its disk says', async () => {
  const project = mkdtempSync(join(tmpdir(), 'sluice-no-folder-'))
  await writeFile(join(project, 'file'), '')
  const store = new FolderStore(join(project, 'file/lake'))
  const works = [
    () => store.assertWritable(),
    () => store.prepare('t'),
    () => store.put('t/a', Buffer.from('x')),
    () => store.putIfAbsent('t/a', Buffer.from('x')),
    () => store.persist(['t/a']),
  ]
  for (const work of works) {
    await expect(work()).rejects.toMatchObject({ code: 'NOT_WRITABLE', message: expect.stringContaining('(ENOTDIR)') })
  }
  rmSync(project, { recursive: true })
})
