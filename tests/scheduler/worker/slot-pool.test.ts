import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SlotConfig } from '../../../scheduler/worker/protocol.js'
import { SLOT_LIMITS, type SlotLimits, SlotPool } from '../../../scheduler/worker/slot-pool.js'
import { eventually, isAlive } from './worker-project.js'

const MB = 1024 * 1024

let folder: string
let pool: SlotPool
let ended: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-pool-'))
  ended = []
})

afterEach(async () => {
  await pool.close()
  rmSync(folder, { recursive: true, force: true })
})

function create(limits: Partial<SlotLimits> = {}): SlotPool {
  const places = { project: folder, dags: folder, logs: { location: folder, connection: null }, work: folder }
  const cache = { folder: join(places.project, 'cache'), maxBytes: 1e9 }
  const config: SlotConfig = { ...places, catalogs: {}, connections: {}, cache, vars: {} }
  const listener = { message: () => undefined, ended: (_slot: unknown, reason: string) => void ended.push(reason) }
  pool = new SlotPool(config, 'test', listener, { ...SLOT_LIMITS, ...limits })
  return pool
}

describe('the slots of a worker', () => {
  it('give light attempts one process together, and a heavy one its own', () => {
    const pool = create()
    const light = pool.take('a', 'light')
    expect(pool.take('b', 'light')).toBe(light)
    const heavy = pool.take('c', 'heavy')
    expect(heavy).not.toBe(light)
    expect(pool.take('d', 'heavy')).not.toBe(heavy)
    expect(pool.take('e', 'light')).toBe(light)
    expect(pool.processes).toHaveLength(3)
  })

  it('are used again, also by another kind of attempt', () => {
    const pool = create()
    const slot = pool.take('a', 'heavy')
    pool.release(slot, 'a')
    expect(pool.take('b', 'light')).toBe(slot)
    expect(pool.take('c', 'light')).toBe(slot)
    expect(pool.take('d', 'heavy')).not.toBe(slot)
  })

  it('that have grown get nothing more and end after their last attempt', async () => {
    const pool = create({ growthBytes: 100 * MB })
    const slot = pool.take('a', 'light')
    pool.take('b', 'light')
    slot.memory = 101 * MB
    pool.release(slot, 'a')
    expect(pool.take('c', 'light')).not.toBe(slot)
    expect(slot.pid === undefined ? false : isAlive(slot.pid)).toBe(true)
    pool.release(slot, 'b')
    await eventually('it has ended', () => pool.processes.every(({ pid }) => pid !== slot.pid))
  })

  it('end when they are long idle, but for one small one that stays warm', async () => {
    const pool = create({ idleMs: 50, warmBytes: 100 * MB })
    const [small, large] = [pool.take('a', 'heavy'), pool.take('b', 'heavy')]
    small.memory = 50 * MB
    large.memory = 200 * MB
    pool.release(large, 'b')
    pool.release(small, 'a')
    await eventually('the large one has ended', () => pool.processes.length === 1)
    expect(pool.processes.map(({ pid }) => pid)).toEqual([small.pid])
  })

  it('that are all too large to stay warm are replaced by a fresh one', async () => {
    const pool = create({ idleMs: 50, warmBytes: 100 * MB })
    const slot = pool.take('a', 'heavy')
    slot.memory = 200 * MB
    pool.release(slot, 'a')
    await eventually('it has ended', () => ended.length === 1)
    expect(pool.processes).toHaveLength(1)
    expect(pool.processes.map(({ pid }) => pid)).not.toContain(slot.pid)
  })

  it('are gone once the pool is closed', async () => {
    const pool = create()
    pool.warm()
    const pids = [...pool.processes, pool.take('a', 'heavy')].map(({ pid }) => pid ?? 0)
    await pool.close()
    expect(pids.filter(isAlive)).toEqual([])
  })
})
