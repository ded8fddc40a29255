import { Trino } from 'trino-client'

/** Runs one statement on the Trino of the stack and returns its rows, by the client that others use. */
export async function trino(sql: string): Promise<unknown[][]> {
  const { TRINO_URL: server } = process.env
  if (server === undefined || server === '') throw new Error('TRINO_URL must be set; see docs/guides/iceberg.md')
  const extraHeaders = {
    'X-Trino-User': 'sluice-test',
    'X-Trino-Time-Zone': 'UTC',
    'X-Trino-Client-Capabilities': 'PARAMETRIC_DATETIME',
  }
  const rows: unknown[][] = []
  for await (const page of await Trino.create({ server, catalog: 'iceberg', extraHeaders }).query(sql)) {
    if (page.error !== undefined) throw new Error(`${page.error.message}\n${sql}`)
    rows.push(...(page.data ?? []))
  }
  return rows
}
