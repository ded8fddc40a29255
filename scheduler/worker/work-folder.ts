import { mkdirSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** The private folder of one attempt, made when it is first asked for. */
export class WorkFolder {
  readonly #path: string
  #made = false

  constructor(root: string, claimToken: string) {
    this.#path = workPath(root, claimToken)
  }

  get path(): string {
    if (!this.#made) mkdirSync(this.#path, { recursive: true, mode: 0o700 })
    this.#made = true
    return this.#path
  }

  async remove(): Promise<void> {
    if (this.#made) await removeWork(this.#path)
  }
}

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
