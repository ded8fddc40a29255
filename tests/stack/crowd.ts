import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LakehouseConfig } from '../../lakehouse/config.js'
import { processEntry } from '../../package-root.js'

/** What one writer of a crowd is to do: one commit for each of the numbers from `first` on. */
export interface WriterOrder {
  table: string
  first: number
  commits: number
  /** begin of the tokens of its commits */
  token: string
}

/**
 * Writers in processes of their own, each with a cache of its own, as on as many machines: nothing is shared but the
 * object store and the catalog. They begin at the same moment, and each commits its numbers of `0 … writers * commits`.
 * @throws when one of them fails, or finds a commit of its own published already
 */
export async function crowd(config: LakehouseConfig, table: string, writers: number, commits: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-crowd-'))
  const started: ChildProcess[] = []
  try {
    for (let writer = 0; writer < writers; writer++) {
      const cache = { folder: join(folder, String(writer)), maxBytes: 1e9 }
      const args = [JSON.stringify({ ...config, cache })]
      started.push(fork(processEntry('tests/stack/crowd-writer.js'), args))
    }
    const exits = started.map(async (child, writer) => {
      const [code, signal] = await once(child, 'exit')
      if (code !== 0) throw new Error(`writer ${writer} has ended with ${code ?? signal}`)
    })
    const failed = Promise.all(exits)
    await Promise.race([Promise.all(started.map((child) => once(child, 'message'))), failed])
    for (const [writer, child] of started.entries()) {
      child.send({ table, first: writer * commits, commits, token: `w${writer}` } satisfies WriterOrder)
    }
    await failed
  } finally {
    for (const child of started) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}
