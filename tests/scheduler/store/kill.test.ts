import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, expect, it } from 'vitest'
import { processEntry } from '../../../package-root.js'
import { openStore } from '../../../scheduler/store/open-store.js'
import { storeFolder } from './pglite-folder.js'
import { NOW } from './suite/subject.js'

const KILLS = 5
const { folder, remove } = storeFolder()
let writer: ChildProcess | null = null
afterAll(() => {
  writer?.kill('SIGKILL')
  remove()
})

it('has every acknowledged step after SIGKILL, and opens again although its holder is dead', async () => {
  const acknowledged = new Set<string>()
  for (let kill = 0; kill < KILLS; kill++) {
    const child = fork(processEntry('tests/scheduler/store/kill-writer.js'), [folder, String(kill)], {
      stdio: 'inherit',
    })
    writer = child
    const target = 20 + kill * 17
    let seen = 0
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the writer ended by itself with ${code}`)))
      child.on('message', (name: string) => {
        acknowledged.add(name)
        if (++seen === target) resolve()
      })
    })
    child.removeAllListeners('exit')
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
  const { store } = await openStore(folder, NOW)
  const found = new Set((await store.users()).map((user) => user.name))
  await store.close()
  expect(acknowledged.size).toBeGreaterThan(KILLS * 20)
  expect([...acknowledged].filter((name) => !found.has(name))).toEqual([])
}, 120_000)
