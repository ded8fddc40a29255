import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'

const ALIVE_EVERY_MS = 60_000
/** A folder whose owner has not touched it for so long is left over from a crash. */
const ABANDONED_MS = 60 * 60_000

/**
 * A folder of one owner among many, perhaps on several machines. Its owner touches it while it lives; the owners that
 * come later remove what nobody touches any more.
 */
export class PrivateFolder {
  readonly path: string
  private made: Promise<void> | null = null
  private alive: NodeJS.Timeout | null = null

  /** @param root absolute folder of all the private folders */
  constructor(private readonly root: string) {
    this.path = join(root, randomUUID())
  }

  /** Makes the folder at the first call. */
  make(): Promise<void> {
    this.made ??= this.begin()
    return this.made
  }

  async remove(): Promise<void> {
    await this.made?.catch(() => undefined) // whoever asked for the folder was told
    if (this.alive === null) return
    clearInterval(this.alive)
    await rm(this.path, { recursive: true, force: true })
  }

  private async begin(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 })
    // a failure to touch shows when the folder is next used
    const touch = (): void => void utimes(this.path, new Date(), new Date()).catch(() => undefined)
    this.alive = setInterval(touch, ALIVE_EVERY_MS).unref()
    await removeAbandoned(this.root, ABANDONED_MS)
  }
}

/** Removes what stands in a folder and was not changed for so long. */
export async function removeAbandoned(root: string, ageMs: number): Promise<void> {
  for (const name of await readdir(root)) {
    const path = join(root, name)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY })) // another was quicker
    if (mtimeMs < Date.now() - ageMs) await rm(path, { recursive: true, force: true })
  }
}
