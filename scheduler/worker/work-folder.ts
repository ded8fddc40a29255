import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../errors.js'

const PRIVATE = { recursive: true, mode: 0o700 } as const
/** So many attempts may begin at once before one waits for its folder. */
const AHEAD = 4

/**
 * Where one slot process makes the private folders of its attempts. Some are made ahead: making a folder takes up to a
 * millisecond on ext4, moving one a tenth of that.
 */
export class WorkFolders {
  readonly #root: string
  readonly #ahead: string[] = []
  #making: Promise<void> | null = null
  #count = 0

  /** @param root of one worker, whose slots share it */
  constructor(root: string) {
    this.#root = root
    process.once('exit', () => {
      for (const path of this.#ahead) rmSync(path, { recursive: true, force: true })
    })
  }

  of(claimToken: string): WorkFolder {
    return new WorkFolder(workPath(this.#root, claimToken), (path) => this.#make(path))
  }

  /** Makes folders ahead. Never rejects: an attempt that finds none makes its own, and says why it cannot. */
  prepare(): Promise<void> {
    this.#making ??= this.#fill().finally(() => {
      this.#making = null
    })
    return this.#making
  }

  async #fill(): Promise<void> {
    while (this.#ahead.length < AHEAD) {
      this.#count += 1
      // one that a crash has left under this name was never given to an attempt
      const path = join(this.#root, `ahead-${process.pid}-${this.#count}`)
      const failed = await mkdir(path, PRIVATE).then(
        () => false,
        () => true,
      )
      if (failed) return
      this.#ahead.push(path)
    }
  }

  #make(path: string): void {
    const ahead = this.#ahead.pop()
    if (ahead === undefined || !moved(ahead, path)) mkdirSync(path, PRIVATE)
    void this.prepare()
  }
}

/** @returns false when somebody has removed it meanwhile */
function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return false
  }
}

/** The private folder of one attempt, made when it is first asked for. */
export class WorkFolder {
  readonly #path: string
  readonly #make: (path: string) => void
  #made = false

  constructor(path: string, make: (path: string) => void) {
    this.#path = path
    this.#make = make
  }

  get path(): string {
    if (!this.#made) this.#make(this.#path)
    this.#made = true
    return this.#path
  }

  async remove(): Promise<void> {
    if (this.#made) await removeWork(this.#path)
  }
}

/** The folder that an attempt works in. Each claim has its own, so no attempt finds what another has left. */
export function workPath(root: string, claimToken: string): string {
  return join(root, claimToken)
}

/** Removes one attempt's folder, or what a crash has left of it. */
export async function removeWork(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 2 })
}

/** Removes what is there now: called at the start, when nothing runs yet. */
export async function removeLeftWork(root: string): Promise<void> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names) await removeWork(workPath(root, name))
}
