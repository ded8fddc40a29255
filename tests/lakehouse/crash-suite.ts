import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { processEntry } from '../../package-root.js'
import type { Lake } from './subject.js'

/** What the checks of `crash-writer` find, whichever attempt tells it. */
const FOUND = [
  { name: 'enough', passed: true, measured: { rows: 100 } },
  { name: 'range id', severity: 'warn', passed: false, failingRows: 49 },
]

/** A write survives the end of its process at any point, wherever the table lies. */
export function crashSuite(kind: string, newLake: () => Lake): void {
  let lake: Lake
  beforeEach(() => {
    lake = newLake()
  })
  afterEach(() => lake.remove())

  function writer(point: string, mode: string) {
    const args = [
      processEntry('tests/lakehouse/crash-writer.js'),
      JSON.stringify(lake.config),
      point,
      mode,
      'run/task/1',
    ]
    const { signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    return { signal, told: stdout, stderr }
  }

  const POINTS = ['staged', 'audited', 'before_publish', 'published']

  describe.each(['append', 'merge', 'overwrite'])(`on ${kind} a %s whose process is killed`, (mode) => {
    it.each(POINTS)('at %s is in the table exactly once after a retry with its token', async (point) => {
      await lake.write('silver.source', 'select range::bigint as id from range(50, 150)')
      await lake.write('silver.t', 'select range::bigint as id, 1::bigint as revision from range(100)')
      expect(writer(point, mode)).toMatchObject({ signal: 'SIGKILL' })
      const retried = writer('never', mode)
      expect(retried).toMatchObject({ signal: null, stderr: '' })
      expect(JSON.parse(retried.told)).toMatchObject({
        outcome: point === 'published' ? 'already_published' : 'published',
        checks: FOUND,
        reads: [{ table: 'silver.source', version: lake.firstVersion }],
      })
      const { rows, version, tokens } = await lake.independent('silver.t')
      expect(version).toBe(lake.firstVersion + 1)
      expect(tokens.filter((token) => token === 'run/task/1')).toHaveLength(1)
      const expected = { append: 200, merge: 150, overwrite: 100 }[mode]
      expect(rows).toHaveLength(expected ?? -1)
      expect(rows.filter((row) => Number(row.revision) === 2)).toHaveLength(100)
    })
  })
}
