import { type FSWatcher, statfsSync, type watch } from 'node:fs'
import { codeOf } from '../../errors.js'

/**
 * File systems of Linux whose changes reach every process on the machine: ext2-4, xfs, btrfs, tmpfs, overlay, f2fs, zfs.
 * Others (network, shared folders of virtual machines) may be changed by someone the kernel does not see.
 */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1,
])
/** Each folder takes one of the user's inotify watches. */
const FOLDERS_LIMIT = 500

/** Listens to folders, each by itself: what is below one is a folder of its own in the list. */
export class FolderReports {
  readonly #watchers = new Map<string, FSWatcher>()
  #reliable = false

  /** @param onReport something below one of the folders has changed */
  constructor(
    readonly onReport: () => void,
    readonly listen: typeof watch,
  ) {}

  /** True when every change in the folders is reported, so that nobody needs to look. */
  get reliable(): boolean {
    return this.#reliable
  }

  /**
   * Listens to these folders and no others.
   * @returns true when it has begun to listen to one it did not know
   */
  listenTo(folders: readonly string[]): boolean {
    const wanted = new Set(folders.slice(0, FOLDERS_LIMIT))
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue
      watcher.close()
      this.#watchers.delete(folder)
    }
    let begun = false
    let complete = folders.length > 0 && folders.length <= FOLDERS_LIMIT
    for (const folder of wanted) {
      if (!this.#watchers.has(folder)) begun = this.#begin(folder) || begun
      complete &&= this.#watchers.has(folder) && isLocal(folder)
    }
    this.#reliable = complete
    return begun
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
    this.#reliable = false
  }

  #begin(folder: string): boolean {
    let watcher: FSWatcher
    try {
      watcher = this.listen(folder, { persistent: false })
    } catch (error) {
      // gone meanwhile, or out of watches: the list stays incomplete and every tick reads
      if (codeOf(error) === '') throw error
      return false
    }
    watcher.on('error', () => {
      watcher.close()
      this.#watchers.delete(folder)
      this.#reliable = false
    })
    watcher.on('change', this.onReport)
    this.#watchers.set(folder, watcher)
    return true
  }
}

function isLocal(folder: string): boolean {
  try {
    return process.platform !== 'linux' || LOCAL_FILE_SYSTEMS.has(statfsSync(folder).type)
  } catch {
    return false
  }
}
