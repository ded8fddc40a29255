import { once } from 'node:events'
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { isSluiceError } from '../../../errors.js'
import { openStore } from '../../../scheduler/store/open-store.js'
import { endThread, PgliteDatabase, startThread } from '../../../scheduler/store/pglite.js'
import { storeFolder } from './pglite-folder.js'
import { NOW } from './suite/subject.js'

let folder: string
let remove: () => void
beforeEach(() => {
  ;({ folder, remove } = storeFolder())
})
afterEach(() => remove())

it('a thread that dies fails what waits for it and all that comes, and tells its owner', async () => {
  let thread: Worker | undefined
  process.once('worker', (worker: Worker) => {
    thread = worker
  })
  const database = await PgliteDatabase.open(folder)
  const failures = Promise.allSettled([database.query('select pg_sleep(30)'), database.query('select 1')])
  await thread?.terminate()
  for (const failure of await failures) {
    expect(failure.status).toBe('rejected')
    if (failure.status === 'rejected') expect(isSluiceError(failure.reason, 'STORE_FAILED')).toBe(true)
  }
  expect((await database.broken).message).toContain('ended')
  await expect(database.query('select 1')).rejects.toMatchObject({ code: 'STORE_FAILED' })
  await database.close()
})

/** The thread that is started by `act`. */
async function threadOf(act: () => unknown): Promise<Worker> {
  const started = once(process, 'worker')
  act()
  const [thread] = (await started) as [Worker]
  return thread
}

it('a thread started ahead opens the store', async () => {
  const ahead = await threadOf(startThread)
  startThread()
  let others = 0
  const count = () => {
    others += 1
  }
  process.on('worker', count)
  const database = await PgliteDatabase.open(folder)
  expect(await database.query('select 1 as one')).toEqual([{ one: 1 }])
  await database.close()
  await expect.poll(() => ahead.threadId, { timeout: 20_000 }).toBe(-1)
  process.off('worker', count)
  expect(others).toBe(0)
})

it('one that has died meanwhile is replaced, and one that is not needed is ended', async () => {
  const dead = await threadOf(startThread)
  await dead.terminate()
  const database = await PgliteDatabase.open(folder)
  await database.close()
  const idle = await threadOf(startThread)
  await endThread()
  expect(idle.threadId).toBe(-1)
})

it('a ruined folder is refused, and its lock let go', async () => {
  truncateSync(join(folder, 'pgdata/global/pg_control'), 10)
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(openStore(folder, NOW)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  }
})
