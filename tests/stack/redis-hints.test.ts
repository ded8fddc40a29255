import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RedisQueue } from '../../scheduler/queue/redis.js'
import { RedisLink } from '../../scheduler/queue/redis-link.js'
import { listenForBell, SchedulerBell } from '../../scheduler/queue/redis-wakes.js'
import { RedisWork } from '../../scheduler/queue/redis-work.js'
import { eventually } from '../e2e/eventually.js'

const url = process.env.REDIS_URL ?? ''
let redis: Redis
let link: RedisLink
beforeAll(async () => {
  if (url === '') throw new Error('REDIS_URL must name a Redis server')
  redis = new Redis(url)
  const nothing = () => undefined
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  link = new RedisLink(url, randomUUID().replaceAll('-', ''), log)
  await eventually(5_000, async () => (link.ready ? true : null))
})
afterAll(async () => {
  await link.close()
  const keys = await redis.keys(`${link.prefix}:*`)
  if (keys.length > 0) await redis.del(keys)
  redis.disconnect()
})

it('brings each hint once and keeps nothing of it', async () => {
  const heard: string[] = []
  const nobody = { all: () => undefined, recorded: () => undefined }
  const stop = listenForBell(link, { ...nobody, run: (runId) => void heard.push(runId) })
  const bell = new SchedulerBell(link)
  const runs = Array.from({ length: 1_000 }, (_, index) => `run-${index}`)
  for (const run of runs) bell.run(run)
  await eventually(20_000, async () => (heard.length >= runs.length ? true : null))
  expect(heard.sort()).toEqual(runs.sort())
  await eventually(5_000, async () => ((await kept()).length === 0 ? true : null))
  await stop()
  // BullMQ's own account of each step, which nobody reads: five entries a hint, cut by whole pages of a hundred
  expect(await redis.xlen(`${link.prefix}:scheduler:events`)).toBeLessThan(300)
})

/** A worker's end that keeps the first hint in its hand. @returns how many it has heard of */
function holding(work: RedisWork): { heard(): number } {
  let heard = 0
  work.onWork(() => {
    heard += 1
    return new Promise(() => undefined)
  })
  return { heard: () => heard }
}

it('repeats a hint that somebody holds, not one that waits, and forgets those of the dead', async () => {
  let now = 0
  const queue = new RedisQueue(link, { now: () => now })
  const task = { runId: 'sales-1', taskId: 'load', attempt: 1, queue: 'held', priority: 0 }
  const first = new RedisWork(link, ['held'], 1_000)
  const holder = holding(first)
  await queue.dispatch([task])
  await eventually(10_000, async () => (holder.heard() === 1 ? true : null))
  // nobody reads: however often they are repeated, few wait
  for (now = 5_000; now < 200_000; now += 5_000) await queue.dispatch([task])
  const waiting = async () =>
    (await kept('work.held')).filter((key) => key.startsWith(task.runId) && !key.endsWith(':lock')).length
  expect(await waiting()).toBe(4)
  const second = new RedisWork(link, ['held'], 1_000)
  const other = holding(second)
  await eventually(10_000, async () => (other.heard() === 1 ? true : null))
  // ends as if it were killed, the hint in its hand
  await Promise.all([first.close(), second.close()])
  const third = new RedisWork(link, ['held'], 1_000)
  third.onWork(async () => undefined)
  await eventually(20_000, async () => ((await waiting()) === 0 ? true : null))
  await third.close()
})

/** What there is of hints beside what BullMQ has for any queue. */
async function kept(queue = 'scheduler'): Promise<string[]> {
  const own = `${link.prefix}:${queue}:`
  const keys = (await redis.keys(`${own}*`)).map((key) => key.slice(own.length))
  return keys.filter((key) => !['events', 'meta', 'id', 'marker'].includes(key))
}
