import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConnectionConfig } from '../../lakehouse/config.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { readDelta } from './independent-reader.js'
import { NOW, writeRequest } from './subject.js'

let project: string
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'sluice-beside-trino-'))
  writeFileSync(join(project, 'cities.csv'), 'id,name\n1,Bergen\n2,Oslo\n')
})
afterEach(() => rmSync(project, { recursive: true, force: true }))

/** Ingests a file with an engine whose Trino is not there. */
async function ingested(embedded: Record<string, ConnectionConfig>): Promise<string> {
  const house = await openLakehouse({
    project,
    catalogs: { lake: { format: 'delta', location: './lake' } },
    connections: { lakehouse: { type: 'trino', url: 'http://127.0.0.1:1', user: 'mira' }, ...embedded },
  })
  const source = {
    kind: 'files' as const,
    paths: [join(project, 'cities.csv')],
    origins: ['cities.csv'],
    format: 'csv' as const,
    columns: null,
    options: {},
    ingestedAt: NOW,
    runId: 'run-1',
  }
  const controller = new AbortController()
  const told = await house
    .write(writeRequest('bronze.cities', source, { signal: controller.signal }))
    .then(() => '')
    .catch((error: Error) => error.message)
  await house.close()
  return told
}

describe('files of the project beside a Trino', () => {
  it('are read by an engine whose memory the connection `embedded` says', async () => {
    expect(await ingested({ embedded: { type: 'duckdb', memory_limit: '1MB' } })).toContain('its limit of 1MB')
    expect((await readDelta(join(project, 'lake/bronze/cities'))).version).toBe(-1)
  })

  it('are read by one with a limit of its own where there is no such connection', async () => {
    expect(await ingested({ embedded: { type: 's3', memory_limit: '1MB' } })).toBe('')
    expect((await readDelta(join(project, 'lake/bronze/cities'))).rows).toHaveLength(2)
  })
})
