import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RedisLink } from '../../scheduler/queue/redis-link.js'
import { listenForBell, SchedulerBell } from '../../scheduler/queue/redis-wakes.js'
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

/** What there is of hints beside what BullMQ has for any queue. */
async function kept(): Promise<string[]> {
  const own = `${link.prefix}:scheduler:`
  const keys = (await redis.keys(`${own}*`)).map((key) => key.slice(own.length))
  return keys.filter((key) => !['events', 'meta', 'id', 'marker'].includes(key))
}
