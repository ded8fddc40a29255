import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Clock } from '../../scheduler/clock.js'
import type { DebugPoint } from '../../scheduler/loop/ports.js'
import type { History } from './history.js'
import { isAway, type Outage } from './outage.js'
import type { Prng } from './prng.js'
import type { VirtualTime } from './virtual-time.js'

/** How often things go wrong; each a probability for one occasion. */
export interface FaultRates {
  crashAtPoint: number
  pauseAtPoint: number
  /** the store never gets the request */
  requestLost: number
  /** the store does it, and the caller is not told */
  answerLost: number
  messageLost: number
  messageDoubled: number
}

export interface Weather {
  time: VirtualTime
  random: Prng
  history: History
  rates: FaultRates
  /** false once the faults are over and everything must come to its end */
  stormy: boolean
  outage: Outage | null
}

const STORE_TIMEOUT_MS = 5_000

/** A simulated process: it may crash, come back as a new life, or stand still without noticing. */
export class Host {
  readonly name: string
  readonly #weather: Weather
  readonly #boot: (host: Host) => void
  #life = 0
  #alive = false
  #pausedUntil: Instant = 0
  #isGone = false

  constructor(name: string, weather: Weather, boot: (host: Host) => void) {
    this.name = name
    this.#weather = weather
    this.#boot = boot
  }

  get alive(): boolean {
    return this.#alive
  }

  /** counts its starts */
  get life(): number {
    return this.#life
  }

  boot(): void {
    if (this.#alive || this.#isGone) return
    this.#life += 1
    this.#alive = true
    this.#pausedUntil = 0
    this.#weather.history.record(this.name, `boots, life ${this.#life}`)
    this.#boot(this)
  }

  /** All that runs here is gone at once; requests already sent may still arrive. It boots again after a while. */
  crash(why: string): void {
    if (!this.#alive) return
    this.#alive = false
    this.#weather.history.record(this.name, `crashes: ${why}`)
    const { time, random } = this.#weather
    time.schedule(time.now + random.pick([50, 500, 5_000, 40_000]), () => this.boot())
  }

  /** As a crash, for `awayMs`; null for good. */
  leave(awayMs: number | null): void {
    this.#isGone = awayMs === null
    if (!this.#alive) return
    this.#alive = false
    this.#weather.history.record(this.name, awayMs === null ? 'leaves for good' : `leaves for ${awayMs} ms`)
    const { time } = this.#weather
    if (awayMs !== null) time.schedule(time.now + awayMs, () => this.boot())
  }

  /** Nothing happens here for a while; then it goes on as if nothing had been. */
  pause(ms: number): void {
    this.#weather.history.record(this.name, `stands still for ${ms} ms`)
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#weather.time.now + ms)
  }

  /** `callback` at `at` or when the pause ends, unless this life has ended by then */
  at(at: Instant, callback: () => void, life: number = this.#life): () => void {
    const { time } = this.#weather
    let forgotten = false
    const ring = () => {
      if (forgotten || life !== this.#life || !this.#alive) return
      if (time.now < this.#pausedUntil) time.schedule(this.#pausedUntil, ring)
      else callback()
    }
    time.schedule(at, ring)
    return () => {
      forgotten = true
    }
  }

  readonly clock: Clock = {
    now: () => this.#weather.time.now,
    at: (at, callback) => this.at(at, callback),
  }

  after(ms: number, callback: () => void): () => void {
    return this.at(this.#weather.time.now + ms, callback)
  }

  /** resolves after `ms`, or never when this life ends before */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  /** One request to the store: it takes time to get there and back, and either way may be lost. */
  request<Answer>(name: string, execute: () => Promise<Answer>): Promise<Answer> {
    const { time, random, rates, stormy, history } = this.#weather
    const life = this.#life
    const requestLost = stormy && random.chance(rates.requestLost)
    const answerLost = stormy && random.chance(rates.answerLost)
    return new Promise((resolve, reject) => {
      const fail = (what: string) => {
        history.record(this.name, `${name}: ${what}`)
        const error = new SluiceError('STORE_FAILED', `The store did not answer ${name}: ${what}.`)
        this.at(time.now + STORE_TIMEOUT_MS, () => reject(error), life)
      }
      const arrive = () => {
        if (requestLost) return fail('request lost')
        if (isAway(this.#weather.outage, time.now)) return fail('the store is away')
        execute().then(
          (answer) => {
            if (answerLost) fail('answer lost')
            else this.at(time.now + this.#latency(), () => resolve(answer), life)
          },
          (error) => this.at(time.now + this.#latency(), () => reject(error), life),
        )
      }
      time.schedule(time.now + this.#latency(), () => {
        // what a process sent before it died may lie in some buffer for a while
        if (life === this.#life && this.#alive) arrive()
        // but a new life gets the store only once the old one has let go of it
        else if (name !== 'beginEpoch')
          time.schedule(time.now + (random.chance(0.5) ? 0 : random.int(0, 10_000)), arrive)
      })
    })
  }

  /** A hint to this host: it may come late, twice or not at all. */
  message(what: string, receive: () => void): void {
    const { time, random, rates, stormy, history } = this.#weather
    const copies = stormy ? (random.chance(rates.messageLost) ? 0 : random.chance(rates.messageDoubled) ? 2 : 1) : 1
    if (copies !== 1) history.record(this.name, `${what}: ${copies === 0 ? 'lost' : 'doubled'} on the way`)
    for (let copy = 0; copy < copies; copy += 1) this.at(time.now + this.#latency(), receive)
  }

  /** Stops or kills this host between two durable writes, at points that matter most `weight` times as often. */
  readonly debugPoint = (point: DebugPoint | string, weight = 1): Promise<void> | undefined => {
    const { random, rates, stormy } = this.#weather
    if (!stormy) return undefined
    const fate = random.next() / weight
    if (fate < rates.crashAtPoint) {
      this.crash(`at ${point}`)
      return new Promise(() => {})
    }
    if (fate < rates.crashAtPoint + rates.pauseAtPoint) {
      this.pause(random.int(100, 60_000))
      return this.sleep(1)
    }
    return undefined
  }

  #latency(): number {
    const { random, stormy } = this.#weather
    return stormy && random.chance(0.02) ? random.int(100, 3_000) : random.int(1, 5)
  }
}
