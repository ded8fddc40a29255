import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'

/**
 * Reads all rows of a Delta table by nothing but the protocol: its log replayed from version 0, its live files read with
 * hyparquet. It shares no line with Sluice, so that both cannot be wrong in the same way.
 */
export async function deltaRows(table: string): Promise<Record<string, unknown>[]> {
  const live = new Set<string>()
  const versions = readdirSync(join(table, '_delta_log'))
    .filter((name) => /^\d{20}\.json$/.test(name))
    .sort()
  for (const [version, name] of versions.entries()) {
    if (Number(name.slice(0, 20)) !== version) throw new Error(`version ${version} is missing`)
    for (const line of readFileSync(join(table, '_delta_log', name), 'utf8').split('\n')) {
      if (line === '') continue
      const action = JSON.parse(line) as { add?: { path: string }; remove?: { path: string } }
      if (action.remove !== undefined && !live.delete(action.remove.path)) throw new Error(`${name} removes twice`)
      if (action.add !== undefined) live.add(action.add.path)
    }
  }
  const rows: Record<string, unknown>[] = []
  for (const path of live) {
    const file = await asyncBufferFromFile(join(table, decodeURIComponent(path)))
    rows.push(...(await parquetReadObjects({ file })))
  }
  return rows
}
