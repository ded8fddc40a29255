/** Runs one statement on the Trino of the stack and returns its rows, with nothing of Sluice's own. */
export async function trino(sql: string): Promise<unknown[][]> {
  const { TRINO_URL: url } = process.env
  if (url === undefined || url === '') throw new Error('TRINO_URL must be set; see docs/guides/iceberg.md')
  const headers = {
    'X-Trino-User': 'sluice-test',
    'X-Trino-Catalog': 'iceberg',
    'X-Trino-Time-Zone': 'UTC',
    'X-Trino-Client-Capabilities': 'PARAMETRIC_DATETIME',
  }
  let answer = await send(`${url}/v1/statement`, { method: 'POST', body: sql, headers })
  const rows: unknown[][] = [...(answer.data ?? [])]
  while (answer.nextUri !== undefined) {
    answer = await send(answer.nextUri, { headers })
    rows.push(...(answer.data ?? []))
  }
  if (answer.error !== undefined) throw new Error(`${answer.error.message}\n${sql}`)
  return rows
}

interface Answer {
  nextUri?: string
  data?: unknown[][]
  error?: { message: string }
}

async function send(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init)
  if (!response.ok) throw new Error(`Trino answers ${response.status}: ${await response.text()}`)
  return (await response.json()) as Answer
}
