import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../../errors.js'
import { Events } from '../../../scheduler/events.js'
import { RedisQueue } from '../../../scheduler/queue/redis.js'
import { shareEvents } from '../../../scheduler/queue/redis-events.js'
import { RedisLink } from '../../../scheduler/queue/redis-link.js'
import { listenForBell, SchedulerBell } from '../../../scheduler/queue/redis-wakes.js'
import { RedisWork } from '../../../scheduler/queue/redis-work.js'
import { eventually } from '../worker/worker-project.js'

const TASK = { runId: 'sales-1', taskId: 'load', attempt: 1, queue: 'default', priority: 0 }
/** Below the 2 s that a command may take: whoever waits for Redis at all takes longer. */
const AT_ONCE_MS = 1_500

interface Away {
  port: number
  /** connections that were taken so far */
  taken(): number
  close(): Promise<void>
}

async function listening(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer(onConnection).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server, port: address.port }
}

/** A port on which nothing listens. */
async function nobody(): Promise<Away> {
  const { server, port } = await listening((socket) => socket.destroy())
  server.close()
  await once(server, 'close')
  return { port, taken: () => 0, close: async () => undefined }
}

/** Takes connections and never says a word, as a Redis that hangs or is behind a broken network. */
async function mute(): Promise<Away> {
  const sockets = new Set<Socket>()
  const { server, port } = await listening((socket) => {
    sockets.add(socket.on('error', () => undefined))
  })
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  return { port, taken: () => sockets.size, close }
}

async function took(job: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await job()
  return performance.now() - from
}

describe.each([
  ['nothing listens', nobody],
  ['nobody answers', mute],
])('a cluster whose Redis is away because %s', (_, start) => {
  let away: Away
  let link: RedisLink
  let warnings: string[]
  const opened: (() => Promise<unknown>)[] = []
  beforeEach(async () => {
    away = await start()
    warnings = []
    const warn = (_fields: object, message: string) => void warnings.push(message)
    const log = { debug: () => undefined, info: () => undefined, warn, error: warn }
    link = new RedisLink(`redis://127.0.0.1:${away.port}/0`, '0123456789abcdef0123', log)
  })
  afterEach(async () => {
    for (const close of opened.splice(0)) await close()
    await link.close()
    await away.close()
  })

  it('gives hints up at once, and says so to whoever asks', async () => {
    const queue = new RedisQueue(link)
    expect(await took(() => queue.dispatch([TASK, { ...TASK, queue: 'spark' }]))).toBeLessThan(AT_ONCE_MS)
    expect(await took(() => queue.stop([TASK]))).toBeLessThan(AT_ONCE_MS)
    expect(await took(() => link.publish('events', {}))).toBeLessThan(AT_ONCE_MS)
    const bell = new SchedulerBell(link)
    bell.run('sales-1')
    bell.all()
    bell.recorded([])
    expect(link.ready).toBe(false)
  })

  it('lets events be heard where they were emitted', async () => {
    const events = new Events()
    opened.push(async () => unshare())
    const unshare = shareEvents(link, events)
    const heard: string[] = []
    events.subscribe(({ kind }) => heard.push(kind))
    events.emit({ kind: 'run', dagId: 'sales', runId: 'sales-1', state: 'running' })
    expect(heard).toEqual(['run'])
  })

  it('ends its readers without waiting for it', async () => {
    const work = new RedisWork(link, ['default', 'spark'])
    work.onWork(async () => undefined)
    work.onStop(() => undefined)
    const stop = listenForBell(link, { run: () => undefined, all: () => undefined, recorded: () => undefined })
    await eventually('they have tried', () => warnings.length > 0 || away.taken() >= 3)
    expect(await took(() => Promise.all([work.close(), stop()]))).toBeLessThan(2_000)
    expect(await took(() => link.close())).toBeLessThan(AT_ONCE_MS)
  })
})

describe('the way to Redis', () => {
  const log = (said: string[]) => {
    const note = (_fields: object, message: string) => void said.push(message)
    return { debug: () => undefined, info: note, warn: note, error: note }
  }

  it('tells of an outage once, however often it is tried', async () => {
    const said: string[] = []
    let tried = 0
    const { server, port } = await listening((socket) => {
      tried += 1
      socket.destroy()
    })
    const link = new RedisLink(`redis://127.0.0.1:${port}/0`, 'namespace', log(said))
    await eventually('it was tried several times', () => tried >= 3)
    await link.close()
    server.close()
    expect(said).toEqual([expect.stringMatching(/^Redis is away/)])
  })

  it('notices a Redis that falls silent, and its return', async () => {
    const said: string[] = []
    let silent = false
    const { server, port } = await listening((socket) => {
      socket
        .on('error', () => undefined)
        .on('data', (data) => {
          const commands = data.toString().match(/\*\d+\r\n\$\d+\r\n\w+/g) ?? []
          const answers = commands.map((command) => (/info$/i.test(command) ? '$9\r\nloading:0\r\n' : '+OK\r\n'))
          if (!silent) socket.write(answers.join(''))
        })
    })
    const link = new RedisLink(`redis://127.0.0.1:${port}/0`, 'namespace', log(said), 700)
    await eventually('it is there', () => link.ready)
    silent = true
    await eventually('its silence is noticed', () => !link.ready)
    silent = false
    await eventually('its return is noticed', () => link.ready)
    await link.close()
    server.close()
    expect(said).toEqual([expect.stringMatching(/^Redis is away/), 'Redis is back'])
  })

  it.each(['localhost:6379', 'http://localhost', 'redis://localhost/lake', 'nonsense'])('refuses %s', (url) => {
    const error = (() => {
      try {
        return new RedisLink(url, 'namespace', log([]))
      } catch (reason) {
        return reason
      }
    })()
    expect(isSluiceError(error, 'CONFIG_INVALID')).toBe(true)
  })

  it('keeps the keys of two stores apart', async () => {
    const away = await nobody()
    const links = ['a'.repeat(32), 'b'.repeat(32)].map(
      (namespace) => new RedisLink(`redis://127.0.0.1:${away.port}`, namespace, log([])),
    )
    expect(new Set(links.map(({ prefix }) => prefix)).size).toBe(2)
    await Promise.all(links.map((link) => link.close()))
  })
})
