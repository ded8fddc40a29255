import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'

export interface IndependentRead {
  version: number
  rows: Record<string, unknown>[]
  tokens: string[]
}

interface Live {
  path: string
  partitionValues: Record<string, string | null>
}

/**
 * Reads a Delta table with nothing of Sluice's own: the log entry by entry from version 0 (so it needs them all), data
 * files with hyparquet. Slow and simple on purpose. Columns of partitions come as the text in the log.
 */
export async function readDelta(folder: string): Promise<IndependentRead> {
  const log = join(folder, '_delta_log')
  if (!existsSync(log)) return { version: -1, rows: [], tokens: [] }
  const entries = readdirSync(log)
    .filter((name) => /^\d{20}\.json$/.test(name))
    .sort()
  const live = new Map<string, Live>()
  const tokens: string[] = []
  for (const [index, name] of entries.entries()) {
    if (Number(name.slice(0, 20)) !== index) throw new Error(`version ${index} is missing in ${folder}`)
    for (const line of readFileSync(join(log, name), 'utf8').split('\n')) {
      if (line === '') continue
      const action = JSON.parse(line) as { add?: Live; remove?: Live; txn?: { appId: string } }
      if (action.remove !== undefined) live.delete(action.remove.path)
      if (action.add !== undefined) live.set(action.add.path, action.add)
      if (action.txn !== undefined) tokens.push(action.txn.appId)
    }
  }
  const rows: Record<string, unknown>[] = []
  for (const file of live.values()) rows.push(...(await readFile(folder, file)))
  return { version: entries.length - 1, rows, tokens }
}

async function readFile(folder: string, file: Live): Promise<Record<string, unknown>[]> {
  const bytes = readFileSync(join(folder, decodeURIComponent(file.path)))
  const rows = await parquetReadObjects({
    file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  })
  return rows.map((row) => ({ ...row, ...file.partitionValues }))
}
