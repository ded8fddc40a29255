import type { Operator } from '../../operators/operator.js'
import type { SlotConfig } from './protocol.js'
import { type SlotListener, SlotProcess } from './slot-process.js'

const MB = 1024 * 1024

export interface SlotLimits {
  /** a slot process that has grown beyond this takes no more attempts */
  growthBytes: number
  /** the one process kept warm while nothing runs is no larger than this */
  warmBytes: number
  /** how long a process may be idle before it is looked at */
  idleMs: number
}

export const SLOT_LIMITS: SlotLimits = { growthBytes: 512 * MB, warmBytes: 110 * MB, idleMs: 20_000 }

/**
 * The slot processes of one worker. Light attempts share one process, a heavy one has its own; processes are reused, and
 * while nothing runs one small process is kept warm, because starting one costs more than most tasks.
 */
export class SlotPool {
  readonly #slots = new Set<SlotProcess>()
  readonly #config: SlotConfig
  readonly #instance: string
  readonly #listener: SlotListener
  readonly #limits: SlotLimits
  #idleTimer: NodeJS.Timeout | null = null
  #closed = false

  constructor(config: SlotConfig, instance: string, listener: SlotListener, limits: SlotLimits = SLOT_LIMITS) {
    this.#config = config
    this.#instance = instance
    this.#limits = limits
    this.#listener = {
      message: (slot, message) => listener.message(slot, message),
      ended: (slot, reason) => {
        this.#slots.delete(slot)
        listener.ended(slot, reason)
      },
    }
  }

  get processes(): readonly SlotProcess[] {
    return [...this.#slots]
  }

  /** Starts one process ahead of the first attempt. */
  warm(): void {
    if (!this.#closed && this.#slots.size === 0) this.#start()
  }

  /** A process for one attempt; it counts as taken from now on. */
  take(claimToken: string, weight: Operator['weight']): SlotProcess {
    const usable = [...this.#slots].filter((slot) => !slot.retiring)
    const idle = usable.filter((slot) => slot.idle)
    const slot =
      weight === 'light'
        ? (usable.find((slot) => !slot.idle && !slot.heavy) ?? smallest(idle) ?? this.#start())
        : // one that has its libraries loaded already
          (largest(idle) ?? this.#start())
    slot.attempts.add(claimToken)
    slot.heavy = weight === 'heavy'
    return slot
  }

  /** The attempt has ended; its process may be used again unless it has grown too much. */
  release(slot: SlotProcess, claimToken: string): void {
    slot.attempts.delete(claimToken)
    if (slot.memory > this.#limits.growthBytes) slot.retiring = true
    if (!slot.idle) return
    slot.heavy = false
    if (slot.retiring) void slot.end()
    this.#idleTimer ??= setTimeout(() => this.#retireIdle(), this.#limits.idleMs).unref()
  }

  /** Ends all processes; whatever still runs in them is cut off. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer)
    await Promise.all([...this.#slots].map((slot) => slot.end()))
  }

  #start(): SlotProcess {
    const slot = new SlotProcess(this.#config, this.#instance, this.#listener)
    this.#slots.add(slot)
    return slot
  }

  /** Keeps the smallest idle process, if it is small, and sees that one is warm. */
  #retireIdle(): void {
    this.#idleTimer = null
    if (this.#closed) return
    const idle = [...this.#slots].filter((slot) => slot.idle && !slot.retiring)
    const kept = smallest(idle.filter((slot) => slot.memory <= this.#limits.warmBytes))
    for (const slot of idle) if (slot !== kept) void slot.end()
    if (![...this.#slots].some((slot) => !slot.retiring)) this.#start()
  }
}

function smallest(slots: readonly SlotProcess[]): SlotProcess | undefined {
  return slots.reduce<SlotProcess | undefined>(
    (best, slot) => (best === undefined || slot.memory < best.memory ? slot : best),
    undefined,
  )
}

function largest(slots: readonly SlotProcess[]): SlotProcess | undefined {
  return slots.reduce<SlotProcess | undefined>(
    (best, slot) => (best === undefined || slot.memory > best.memory ? slot : best),
    undefined,
  )
}
