import { realpathSync, statSync, watch } from 'node:fs'
import { codeOf } from '../../errors.js'
import { FolderReports } from './folder-reports.js'
import type { DagFolder, FolderReading } from './load-folder.js'

export interface WatchOptions {
  /** the folder to read; its first reading is reported too */
  folder: DagFolder
  /** gets every reading that differs from the one before; the next reading waits until it is done */
  onReading(reading: FolderReading): void | Promise<void>
  /** a reading or `onReading` failed; it is tried again at the next tick */
  onError(error: unknown): void
  /** milliseconds between two ticks */
  tickMs?: number
  /** milliseconds from the first report of a change to its reading, so that a checkout of many files is one reading */
  settleMs?: number
  /** listens to a folder; injectable because not every file system reports */
  listen?: typeof watch
}

export interface FolderWatch {
  /** reads now; resolves once what it found has been reported */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** Changes are seen within 2 s, whether or not the file system reports them. */
const TICK_MS = 1_500
const SETTLE_MS = 100
/** Where the file system reports changes, everything is read this seldom all the same. */
const TICKS_BETWEEN_READINGS = 20

/**
 * Watches a DAGs folder. Where the file system reports changes to this process, a report starts a reading and a tick only
 * looks whether another folder has taken the place of this one; elsewhere every tick is a reading, which costs one `stat`
 * for each file.
 */
export function watchDags(options: WatchOptions): FolderWatch {
  const started = new Watch(options)
  void started.refresh()
  return started
}

class Watch implements FolderWatch {
  readonly #options: WatchOptions
  readonly #reports: FolderReports
  readonly #ticker: NodeJS.Timeout
  #settling: NodeJS.Timeout | null = null
  #running: Promise<void> = Promise.resolve()
  #queued = false
  #place = ''
  #last = ''
  #ticksLeft = TICKS_BETWEEN_READINGS
  #failed = false
  #closed = false

  constructor(options: WatchOptions) {
    this.#options = options
    this.#reports = new FolderReports(() => this.#soon(), options.listen ?? watch)
    // watching is no reason to keep a process alive
    this.#ticker = setInterval(() => this.#tick(), options.tickMs ?? TICK_MS).unref()
  }

  refresh(): Promise<void> {
    // one reading that has not begun sees everything that came before
    if (!this.#queued) {
      this.#queued = true
      this.#running = this.#running.then(() => this.#read())
    }
    return this.#running
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#ticker)
    if (this.#settling !== null) clearTimeout(this.#settling)
    this.#reports.close()
    await this.#running
  }

  #soon(): void {
    if (this.#closed || this.#settling !== null) return
    this.#settling = setTimeout(() => {
      this.#settling = null
      void this.refresh()
    }, this.#options.settleMs ?? SETTLE_MS).unref()
  }

  #tick(): void {
    const replaced = placeOf(this.#options.folder.options.dags) !== this.#place
    // what listened to the old folder hears nothing of the new one
    if (replaced) this.#reports.listenTo([])
    if (replaced || this.#failed || !this.#reports.reliable || --this.#ticksLeft <= 0) void this.refresh()
  }

  async #read(): Promise<void> {
    this.#queued = false
    if (this.#closed) return
    const { folder, onReading, onError } = this.#options
    this.#place = placeOf(folder.options.dags)
    this.#ticksLeft = TICKS_BETWEEN_READINGS
    try {
      const reading = await folder.read()
      // a change between the reading and the first report from a new folder would be missed
      if (this.#reports.listenTo(folder.folders())) this.#soon()
      const mark = JSON.stringify([reading.dags.map(({ id, version, file }) => [id, version, file]), reading.problems])
      if (!this.#closed && mark !== this.#last) {
        await onReading(reading)
        // only what was taken is done with; after an error the same reading is reported again
        this.#last = mark
      }
      this.#failed = false
    } catch (error) {
      this.#failed = true
      onError(error)
    }
  }
}

/** Differs when another folder stands at the path, for example after a checkout or behind a link that was turned. */
function placeOf(path: string): string {
  try {
    const stat = statSync(path)
    return `${realpathSync.native(path)} ${stat.dev} ${stat.ino}`
  } catch (error) {
    return codeOf(error) || 'unknown'
  }
}
