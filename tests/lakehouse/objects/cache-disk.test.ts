import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openObjectStore } from '../../../lakehouse/objects/open.js'

it('a cache folder that takes no files is named', async () => {
  const project = mkdtempSync(join(tmpdir(), 'sluice-cache-disk-'))
  writeFileSync(join(project, 'file'), '')
  const folder = join(project, 'file/cache')
  const around = { project, cache: { folder, maxBytes: 1e6 }, place: 'catalogs.lake.location' }
  const store = openObjectStore('s3://bucket/lake', { name: 'minio', config: { type: 's3' } }, around)
  for (const work of [() => store.prepare('t'), () => store.fetch([{ key: 'a', size: 1 }])]) {
    await expect(work()).rejects.toMatchObject({
      code: 'NOT_WRITABLE',
      message: `The cache folder ${folder} does not take a file (ENOTDIR).`,
      hint: expect.stringContaining('cache.folder'),
    })
  }
  await store.close()
  rmSync(project, { recursive: true })
})
