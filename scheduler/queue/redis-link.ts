import { Queue as JobQueue, type JobsOptions, type RedisOptions } from 'bullmq'
import { Redis } from 'ioredis'
import { messageOf, SluiceError } from '../../errors.js'
import type { Json } from '../../json.js'
import type { Log } from '../loop/ports.js'

/** A hint that takes longer than this is given up: the sweep finds what it would have told. As often Redis is asked whether it is there. */
const ANSWER_MS = 2_000
const RECONNECT_MAX_MS = 2_000
/** A hint is worth nothing once it has been read, whatever came of it. */
const HINT: JobsOptions = { removeOnComplete: true, removeOnFail: true, attempts: 1 }

export interface Hint {
  /** one waits under this id at most; absent: always another one */
  id?: string
  data: Json
}

/**
 * One process's way to Redis. It carries hints and announcements only, so nothing here ever throws or waits for a Redis
 * that is away: what is lost is found by the sweeps (ADR 13).
 */
export class RedisLink {
  /** keys of this Sluice; several may share one Redis */
  readonly prefix: string
  readonly #url: string
  readonly #log: Log
  readonly #commands: Redis
  readonly #queues = new Map<string, JobQueue>()
  readonly #asking: NodeJS.Timeout
  #subscriber: Redis | null = null
  #away = false

  /**
   * @param namespace one name for one store, in letters and digits
   * @param answerMs within which Redis must answer
   */
  constructor(url: string, namespace: string, log: Log, answerMs = ANSWER_MS) {
    this.#url = url
    this.#log = log
    this.prefix = `sluice-${namespace.slice(0, 16)}`
    this.#commands = new Redis({
      ...redisOptions(url),
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: answerMs,
    })
    this.#watch(this.#commands)
    this.#asking = setInterval(() => void this.#ask(), answerMs).unref()
  }

  /** False while Redis cannot be reached or does not answer: then nobody is told anything, and looking must be quicker. */
  get ready(): boolean {
    return this.#commands.status === 'ready'
  }

  /** Settings for a connection of its own, which waits for a Redis that is away instead of failing. */
  get patient(): RedisOptions {
    return { ...redisOptions(this.#url), maxRetriesPerRequest: null }
  }

  async add(queue: string, hints: readonly Hint[]): Promise<void> {
    if (hints.length === 0 || !this.ready) return
    const jobs = hints.map(({ id, data }) => ({
      name: 'hint',
      data,
      opts: id === undefined ? HINT : { ...HINT, jobId: id },
    }))
    await this.#unimportant(() => this.#queue(queue).addBulk(jobs))
  }

  async publish(channel: string, message: Json): Promise<void> {
    if (!this.ready) return
    await this.#unimportant(() => this.#commands.publish(`${this.prefix}.${channel}`, JSON.stringify(message)))
  }

  /** @param heard is given each message; it must not throw */
  subscribe(channel: string, heard: (message: Json) => void): void {
    const subscriber = this.#subscriber ?? new Redis({ ...this.patient, autoResubscribe: true })
    if (this.#subscriber === null) {
      this.#subscriber = subscriber
      subscriber.on('error', () => undefined) // the other connection tells when Redis is away
    }
    const name = `${this.prefix}.${channel}`
    subscriber.on('message', (from: string, text: string) => {
      if (from === name) heard(JSON.parse(text) as Json)
    })
    // waits for Redis by itself; it fails only when the link is closed meanwhile
    void subscriber.subscribe(name).catch(() => undefined)
  }

  async close(): Promise<void> {
    clearInterval(this.#asking)
    await Promise.all([...this.#queues.values()].map((queue) => this.#unimportant(() => queue.close())))
    this.#subscriber?.disconnect()
    this.#commands.disconnect()
  }

  #queue(name: string): JobQueue {
    const known = this.#queues.get(name)
    if (known !== undefined) return known
    const queue = new JobQueue(name, {
      connection: this.#commands,
      prefix: this.prefix,
      // nobody reads what BullMQ tells of each job
      streams: { events: { maxLen: 0 } },
      skipVersionCheck: true,
    })
    queue.on('error', () => undefined)
    this.#queues.set(name, queue)
    return queue
  }

  async #unimportant(job: () => Promise<unknown>): Promise<void> {
    try {
      await job()
    } catch (error) {
      this.#log.debug({ err: error }, 'a hint was lost; the sweep finds what it would have told')
    }
  }

  /** An outage is one line in the log, and its end another. */
  #watch(redis: Redis): void {
    redis.on('error', (error: unknown) => this.#wentAway(messageOf(error)))
    redis.on('ready', () => this.#cameBack())
  }

  /** A connection that is not ready says so itself. One that is may lead to nobody since the network was cut: it is made anew. */
  async #ask(): Promise<void> {
    if (this.#commands.status !== 'ready') return
    try {
      await this.#commands.ping()
    } catch (error) {
      if (this.#commands.status !== 'ready') return
      this.#wentAway(`no answer: ${messageOf(error)}`)
      this.#commands.disconnect(true)
      this.#subscriber?.disconnect(true)
    }
  }

  #wentAway(reason: string): void {
    if (!this.#away) this.#log.warn({ reason }, 'Redis is away: work is found by looking, which takes seconds')
    this.#away = true
  }

  #cameBack(): void {
    if (this.#away) this.#log.info({}, 'Redis is back')
    this.#away = false
  }
}

/**
 * Settings of ioredis for `redis://[user:password@]host:port/database` (`rediss://` with TLS). A password that the URL lacks
 * comes from the environment variable REDIS_PASSWORD.
 * @throws SluiceError CONFIG_INVALID
 */
function redisOptions(url: string): RedisOptions {
  const parsed = URL.canParse(url) ? new URL(url) : null
  const database = Number(parsed?.pathname.slice(1) || 0)
  if (parsed === null || !/^rediss?:$/.test(parsed.protocol) || !Number.isInteger(database)) {
    throw new SluiceError('CONFIG_INVALID', '`queue` must be `local` or redis://host:6379/0.')
  }
  const password = decodeURIComponent(parsed.password) || process.env.REDIS_PASSWORD
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port || 6379),
    db: database,
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(password === undefined || password === '' ? {} : { password }),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
    connectTimeout: 5_000,
    retryStrategy: (times) => Math.min(50 * 2 ** times, RECONNECT_MAX_MS),
  }
}
