import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderStore } from '../../../lakehouse/objects/folder.js'
import { objectStoreSuite } from './suite.js'

objectStoreSuite('a folder', async () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-objects-'))
  const again = () => new FolderStore(join(root, 'lake'))
  return { store: again(), again, remove: async () => rmSync(root, { recursive: true }) }
})
