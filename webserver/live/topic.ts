import type { Writable } from 'node:stream'
import type { SluiceEvent } from '../../scheduler/events.js'
import { logDefect } from '../log.js'

/** One thing that a stream may send; `key` names it, so that only what has changed is sent again. */
export interface Item {
  key: string
  event: string
  data: string
}

/** One reading of what a stream follows. */
export interface Reading {
  items: Item[]
  /** nothing will change any more */
  over: boolean
  /** of pages: what they show, in short */
  mark: string
}

/** What a stream follows. */
export interface Source {
  /** streams with the same key share their reading */
  key: string
  load(): Promise<Reading>
  matches(event: SluiceEvent): boolean
  /** announcements within this time become one reading */
  gatherMs: number
  /** read again after this long although nothing was announced (durations go on); null for never */
  everyMs: number | null
}

/** What a browser may leave unread before it is cut off; it connects again and gets the present state. */
const UNREAD_LIMIT = 2_000_000

/** All who look at the same thing: read once, send each the changes. */
export class Topic {
  readonly #clients = new Set<Writable>()
  #last = new Map<string, string>()
  #timer: NodeJS.Timeout | null = null
  #gathering = false
  #reading = false
  #coming = 0
  #again = false

  constructor(
    readonly source: Source,
    readonly onEmpty: () => void,
  ) {}

  get clients(): number {
    return this.#clients.size
  }

  /**
   * Adds one who looks. The topic has been listening since before its first reading, so nothing falls between the two.
   * @param begin writes the head of the answer; not called when the reading is refused
   * @param upToDate says whether it shows already what was read
   */
  async add(res: Writable, upToDate: (mark: string) => boolean, begin: () => void): Promise<void> {
    this.#coming += 1
    try {
      const { items, over, mark } = await this.source.load()
      if (res.destroyed) return
      begin()
      if (!upToDate(mark)) send(res, items)
      if (over) {
        res.end(OVER)
        return
      }
      this.#reconcile(items)
      this.#clients.add(res)
      res.on('close', () => {
        this.#clients.delete(res)
        this.#leave()
      })
      this.#wait(this.source.everyMs)
    } finally {
      this.#coming -= 1
      this.#leave()
    }
  }

  /** What the newcomer has read may be older or newer than what the others have: the next reading tells both. */
  #reconcile(items: readonly Item[]): void {
    const fresh = this.#last.size === 0
    for (const { key, data } of items) {
      if (fresh) this.#last.set(key, data)
      else if (this.#last.get(key) !== data) {
        this.#last.delete(key)
        this.#wait(this.source.gatherMs)
      }
    }
  }

  #leave(): void {
    if (this.#clients.size === 0 && this.#coming === 0) this.stop()
  }

  announce(event: SluiceEvent): void {
    if (!this.source.matches(event)) return
    if (this.#reading) this.#again = true
    else this.#wait(this.source.gatherMs)
  }

  beat(): void {
    for (const res of this.#clients) res.write(': still here\n\n')
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#gathering = false
    for (const res of this.#clients) res.end()
    this.#clients.clear()
    this.onEmpty()
  }

  /** A gathering under way is never put off, or a busy run would never be read. */
  #wait(ms: number | null): void {
    if (ms === null || this.#gathering || (this.#timer !== null && ms !== this.source.gatherMs)) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#gathering = ms === this.source.gatherMs
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#gathering = false
      void this.#read()
    }, ms)
    this.#timer.unref()
  }

  async #read(): Promise<void> {
    this.#reading = true
    this.#again = false
    try {
      const { items, over } = await this.source.load()
      const changed = items.filter((item) => this.#last.get(item.key) !== item.data)
      this.#last = new Map(items.map((item) => [item.key, item.data]))
      for (const res of this.#clients) send(res, changed)
      if (over) return this.#finish()
    } catch (error) {
      logDefect(error, `live ${this.source.key}`)
    } finally {
      this.#reading = false
    }
    if (this.#clients.size === 0) return
    this.#wait(this.#again ? this.source.gatherMs : this.source.everyMs)
  }

  #finish(): void {
    for (const res of this.#clients) res.write(OVER)
    this.stop()
  }
}

const OVER = 'event: over\ndata: {}\n\n'

function send(res: Writable, items: readonly Item[]): void {
  if (items.length === 0) return
  if (res.writableLength > UNREAD_LIMIT) {
    res.destroy()
    return
  }
  res.write(items.map((item) => `event: ${item.event}\ndata: ${item.data}\n\n`).join(''))
}
