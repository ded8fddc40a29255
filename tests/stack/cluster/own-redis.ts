import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Redis } from 'ioredis'
import { eventually } from '../../e2e/eventually.js'

/** Below all that systems take for connections and for `listen(0)`: Linux from 32768 on, others from 16000 or 49152. */
const PORTS = { from: 10_240, to: 16_000 }

/**
 * A port of this machine that is free, for a server that binds it in a while: as it is none that a system gives by itself, no
 * connection takes it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to)
    const probe = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}

/** A Redis of the test's own, so that wiping and stopping it disturbs nobody. */
export class OwnRedis {
  #child: ChildProcess | null = null

  private constructor(readonly port: number) {}

  static async start(): Promise<OwnRedis> {
    const redis = new OwnRedis(await freePort())
    await redis.up()
    return redis
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`
  }

  async up(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    this.#child = spawn('redis-server', args, { stdio: 'ignore' })
    await eventually(10_000, () => this.ask((redis) => redis.ping()).catch(() => null))
  }

  async down(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    child.kill('SIGCONT')
    await exit
  }

  /** Neither answers nor closes connections, as when the network between is cut. */
  cutOff(): void {
    this.#child?.kill('SIGSTOP')
  }

  reconnect(): void {
    this.#child?.kill('SIGCONT')
  }

  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis({ port: this.port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null })
    redis.on('error', () => undefined)
    try {
      await redis.connect()
      return await question(redis)
    } finally {
      redis.disconnect()
    }
  }
}
