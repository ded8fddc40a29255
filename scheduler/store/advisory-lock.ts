import pg from 'pg'
import { answerOf, BoundSockets } from './postgres-bounds.js'

/** Both numbers name a lock in one database; the first is Sluice's own. */
const SLUICE = 7_158_301

const LOCKS = {
  /** shared by the parts of a cluster, exclusive for an embedded Sluice: they do not go together */
  presence: 1,
  /** whoever holds it registers what the DAGs folder says */
  registrar: 2,
} as const

export type LockMode = 'exclusive' | 'shared'

/** A server that has lost its client must notice within seconds, or the lock of a machine that died stays held for hours. */
const KEEPALIVE = '-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3'

/**
 * A lock of PostgreSQL that is held as long as one connection of its own lives: it needs no clock and no renewal, and the
 * server frees it when this process or the way to it is gone (PostgreSQL, "Advisory Locks").
 */
export class AdvisoryLock {
  readonly #url: string
  readonly #number: number
  readonly #mode: LockMode
  readonly #lost: () => void
  readonly #sockets = new BoundSockets()
  #client: pg.Client | null = null
  #held = false
  #released = false

  /** @param lost is called when a lock that was held is gone; it may be asked for again */
  constructor(url: string, lock: keyof typeof LOCKS, mode: LockMode, lost: () => void = () => undefined) {
    this.#url = url
    this.#number = LOCKS[lock]
    this.#mode = mode
    this.#lost = lost
  }

  get held(): boolean {
    return this.#held
  }

  /**
   * @returns whether the lock is held now; false when another holds it
   * @throws what `pg` throws when the server does not answer, NoAnswer when it is silent
   */
  async tryAcquire(): Promise<boolean> {
    if (this.#held) return true
    const client = this.#client ?? (await this.#connect())
    const take = this.#mode === 'shared' ? 'pg_try_advisory_lock_shared' : 'pg_try_advisory_lock'
    const asked = client.query<{ taken: boolean }>(`select ${take}($1, $2) as taken`, [SLUICE, this.#number])
    const { rows } = await answerOf(asked).catch((error: unknown) => {
      // whether it has the lock nobody knows: the end of the connection frees it
      void client.end()
      throw error
    })
    // the connection may have ended while the answer was on its way
    this.#held = rows[0]?.taken === true && this.#client === client
    return this.#held
  }

  /** Frees the lock for whoever waits. */
  async release(): Promise<void> {
    this.#released = true
    const client = this.#client
    this.#client = null
    this.#held = false
    // the server frees it with the connection, whichever way that ends
    if (client !== null) await this.#sockets.ended(client.end())
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      ...this.#sockets.options,
      connectionString: this.#url,
      application_name: 'sluice lock',
      options: KEEPALIVE,
    })
    client.on('error', () => this.#gone(client))
    client.on('end', () => this.#gone(client))
    await client.connect()
    if (this.#released) {
      await client.end()
      throw new Error('the lock was released while it was being asked for')
    }
    this.#client = client
    return client
  }

  #gone(client: pg.Client): void {
    if (this.#client !== client) return
    this.#client = null
    const wasHeld = this.#held
    this.#held = false
    if (wasHeld) this.#lost()
  }
}
