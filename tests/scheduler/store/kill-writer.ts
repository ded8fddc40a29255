import { openStore } from '../../../scheduler/store/open-store.js'

/** Writes users for ever and tells each one only after the store has acknowledged it; its parent kills it. */
const [folder = '', round = ''] = process.argv.slice(2)
const { store } = await openStore(folder, Date.UTC(2026, 10, 20))
for (let index = 0; ; index++) {
  const name = `user-${round}-${index}`
  await store.saveUser(name, 'viewer', Date.UTC(2026, 10, 20))
  process.send?.(name)
}
