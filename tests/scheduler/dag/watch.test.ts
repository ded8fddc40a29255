import { mkdirSync, renameSync, rmSync, symlinkSync, watch } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DagFolder, type FolderReading } from '../../../scheduler/dag/load-folder.js'
import { type FolderWatch, type WatchOptions, watchDags } from '../../../scheduler/dag/watch.js'
import { project, testOperators, write } from './subject.js'

const dag = (id: string) => `dag: ${id}\ntasks: { load: { bash: x } }\n`
const open: FolderWatch[] = []

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

function watched(root: string, options: Partial<WatchOptions> = {}, dags = join(root, 'dags')) {
  const readings: string[][] = []
  const errors: unknown[] = []
  const folder = new DagFolder({ operators: testOperators, project: root, dags })
  const started = watchDags({
    folder,
    onReading: (reading: FolderReading) => void readings.push(reading.dags.map(({ id }) => id)),
    onError: (error) => void errors.push(error),
    ...options,
  })
  open.push(started)
  const seen = (ids: string[]) =>
    vi.waitFor(() => expect(readings.at(-1)).toEqual(ids), { timeout: 20_000, interval: 10 })
  return { watch: started, readings, errors, seen }
}

/** Stands for a file system that reports nothing. */
const silent = (() => {
  throw Object.assign(new Error('no watches left'), { code: 'ENOSPC' })
}) as unknown as typeof watch

describe.each([
  ['by reports alone', { tickMs: 60_000 }],
  ['by looking alone', { tickMs: 400, listen: silent }],
  ['as it comes', {}],
] satisfies [string, Partial<WatchOptions>][])('changes are seen %s', (_, options) => {
  it('in files new, changed and gone, in new folders and in files that DAGs name', async () => {
    const root = project({ 'dags/a.yaml': dag('a'), 'lib/q.sql': 'select 1' })
    const { seen, watch: watching } = watched(root, options)
    await seen(['a'])
    await watching.refresh()
    write(root, 'dags/b.yaml', dag('b'))
    await seen(['a', 'b'])
    write(root, 'dags/b.yaml', dag('c'))
    await seen(['a', 'c'])
    rmSync(join(root, 'dags/a.yaml'))
    await seen(['c'])
    write(root, 'dags/sub/d.yaml', 'dag: d\ntasks: { x: { sql: { file: ../../lib/q.sql } } }\n')
    await seen(['c', 'd'])
    rmSync(join(root, 'lib/q.sql'))
    await seen(['c'])
    write(root, 'lib/q.sql', 'select 2')
    await seen(['c', 'd'])
  })
})

describe('the watch', () => {
  it('survives another folder in the place of the old one, and none for a while', async () => {
    const root = project({ 'dags/a.yaml': dag('a') })
    const { seen, errors } = watched(root, { tickMs: 400 })
    await seen(['a'])
    renameSync(join(root, 'dags'), join(root, 'old'))
    await vi.waitFor(() => expect(errors.length).toBeGreaterThan(0), { timeout: 20_000 })
    mkdirSync(join(root, 'dags'))
    write(root, 'dags/b.yaml', dag('b'))
    await seen(['b'])
    write(root, 'dags/c.yaml', dag('c'))
    await seen(['b', 'c'])
  })

  it('misses nothing between reading a folder and listening to it', async () => {
    const root = project({ 'dags/a.yaml': dag('a') })
    const late = ((path: string, options: object) => {
      write(root, 'dags/b.yaml', dag('b'))
      return watch(path, options)
    }) as typeof watch
    const { seen } = watched(root, { tickMs: 60_000, listen: late })
    await seen(['a', 'b'])
  })

  it('follows a link that is turned to another folder', async () => {
    const root = project({ 'one/a.yaml': dag('a'), 'two/b.yaml': dag('b') })
    symlinkSync('one', join(root, 'current'))
    const { seen } = watched(root, { tickMs: 50 }, join(root, 'current'))
    await seen(['a'])
    symlinkSync('two', join(root, 'next'))
    renameSync(join(root, 'next'), join(root, 'current'))
    await seen(['b'])
  })

  it('reports a reading once, and again when it was not taken', async () => {
    const root = project({ 'dags/a.yaml': dag('a') })
    let refused = 0
    const taken: FolderReading[] = []
    const { watch: watching, errors } = watched(root, {
      // far from the seldom readings of everything, which would mend it too
      tickMs: 400,
      onReading: (reading) => {
        if (refused++ < 2) throw new Error('the store is away')
        taken.push(reading)
      },
    })
    await vi.waitFor(() => expect(taken).toHaveLength(1), { timeout: 20_000 })
    expect(errors).toHaveLength(2)
    await watching.refresh()
    await watching.refresh()
    expect(taken).toHaveLength(1)
  })

  it('makes one reading of a checkout of many files', async () => {
    const root = project()
    const { readings, seen, watch: watching } = watched(root, { tickMs: 60_000 })
    await seen([])
    await watching.refresh()
    const ids = Array.from({ length: 50 }, (_, index) => `d${10 + index}`)
    for (const id of ids) write(root, `dags/${id}.yaml`, dag(id))
    await seen(ids)
    expect(readings.length).toBeLessThanOrEqual(3)
  })

  it('reports nothing after it was closed', async () => {
    const root = project({ 'dags/a.yaml': dag('a') })
    const { watch: watching, readings, seen } = watched(root, { tickMs: 20 })
    await seen(['a'])
    await watching.close()
    write(root, 'dags/b.yaml', dag('b'))
    await watching.refresh()
    expect(readings).toEqual([['a']])
  })
})
