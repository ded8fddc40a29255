import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SluiceError } from '../../../errors.js'
import type { TableVersion } from '../../../lakehouse/lakehouse.js'
import { openTables } from '../../../lakehouse/open.js'
import type { Config } from '../../../scheduler/config.js'
import type { TriggerSource } from '../../../scheduler/store/trigger-store.js'
import { FileWatch } from '../../../scheduler/triggers/file-watch.js'
import { lookAtVersions } from '../../../scheduler/triggers/table-watch.js'
import { Lake } from '../../lakehouse/subject.js'

const NOW = Date.UTC(2026, 10, 20, 5)

describe('versions of a table', () => {
  const SINCE = 1_000
  const commit = (version: number, changes: Partial<TableVersion> = {}): TableVersion => ({
    version,
    committedAt: version * 10,
    operation: 'append',
    rowsAdded: 1,
    rowsUpdated: 0,
    rowsRemoved: 0,
    run: null,
    task: null,
    attempt: null,
    user: null,
    reason: '',
    token: null,
    ...changes,
  })
  /** as a catalog pages: newest first, below `before` */
  const tables = (commits: TableVersion[]) => ({
    looks: 0,
    async versions(_table: string, { limit, before = Number.POSITIVE_INFINITY }: { limit: number; before?: number }) {
      this.looks += 1
      return commits
        .filter(({ version }) => version < before)
        .sort((a, b) => b.version - a.version)
        .slice(0, limit)
    },
  })
  const upTo = (newest: number) => Array.from({ length: newest + 1 }, (_, version) => commit(version))

  it('are those after the position, the oldest first, each with the one before it', async () => {
    const look = await lookAtVersions(tables(upTo(12)), 's.a', { after: 9, since: SINCE })
    expect(look).toMatchObject({ position: 12, isPart: false })
    expect(look.versions.map(({ version, before }) => [version, before])).toEqual([
      [10, 9],
      [11, 10],
      [12, 11],
    ])
  })

  it('are all of a table that has none so new as was seen before: it was made anew', async () => {
    const look = await lookAtVersions(tables(upTo(2)), 's.a', { after: 2, since: SINCE, highest: 9 })
    expect(look).toMatchObject({ position: 2, isPart: false, anew: { newest: 2, since: 0 } })
    expect(look.versions.map(({ version, before }) => [version, before])).toEqual([
      [0, null],
      [1, 0],
      [2, 1],
    ])
    expect((await lookAtVersions(tables(upTo(2)), 's.a', { after: 2, since: SINCE, highest: 2 })).anew).toBeUndefined()
  })

  it('are all of a table put back from an older copy, from the oldest on that its log tells of', async () => {
    const cleaned = tables(upTo(1_250).filter(({ version }) => version >= 1_100))
    const look = await lookAtVersions(cleaned, 's.a', { after: 2_000, since: SINCE, highest: 2_000 })
    expect(look).toMatchObject({ position: 1_250, isPart: false, anew: { newest: 1_250, since: 11_000 } })
    expect(look.versions).toHaveLength(151)
  })

  it('cost one request while there is nothing new', async () => {
    const source = tables(upTo(12))
    const from = { after: 12, since: SINCE, highest: 12, highestAt: 120 }
    expect((await lookAtVersions(source, 's.a', from)).versions).toEqual([])
    expect(source.looks).toBe(1)
  })

  it('are taken a thousand at a time, and none is left out', async () => {
    const source = tables(upTo(2_300))
    const all: number[] = []
    let after = 49
    for (let isPart = true; isPart; ) {
      const look = await lookAtVersions(source, 's.a', { after, since: SINCE })
      all.push(...look.versions.map(({ version }) => version))
      ;({ isPart, position: after } = look)
    }
    expect(all).toEqual(Array.from({ length: 2_251 }, (_, index) => index + 50))
  })

  it('of a first look are those committed since then', async () => {
    const look = await lookAtVersions(tables(upTo(150)), 's.a', { after: null, since: 1_480 })
    expect(look.versions.map(({ version, before }) => [version, before])).toEqual([
      [149, 148],
      [150, 149],
    ])
  })

  it('leave out commits without new data, and name the DAG behind a commit', async () => {
    const commits = [commit(0), commit(1, { operation: 'OPTIMIZE' }), commit(2, { run: 'sales-20261120T050000Z' })]
    const look = await lookAtVersions(tables(commits), 's.a', { after: -1, since: SINCE })
    expect(look.versions).toMatchObject([
      { version: 0, before: null },
      { version: 2, dag: 'sales' },
    ])
  })

  it('are none of a table that is not there; what else goes wrong is told', async () => {
    const failing = (code: 'TABLE_UNKNOWN' | 'UNREACHABLE') => ({
      versions: () => Promise.reject(new SluiceError(code, 'x')),
    })
    const from = { after: null, since: SINCE }
    expect(await lookAtVersions(failing('TABLE_UNKNOWN'), 's.a', from)).toEqual({
      versions: [],
      position: -1,
      positionAt: null,
      isPart: false,
    })
    await expect(lookAtVersions(failing('UNREACHABLE'), 's.a', from)).rejects.toThrow('x')
  })
})

describe('versions of a table of a folder', () => {
  let lake: Lake
  beforeEach(() => {
    lake = new Lake()
  })
  afterEach(() => lake.remove())

  let commits = 0
  const write = (n: number) => {
    const at = NOW + 1_000 * ++commits
    return lake.write('silver.t', `select ${n} as n`, { mode: 'append', now: () => at })
  }
  /** Looks, and gives what the store would keep for the next look. */
  const look = async (from: Parameters<typeof lookAtVersions>[2]) => {
    const found = await lookAtVersions(await openTables(lake.config), 'silver.t', from)
    const { position, positionAt = null } = found
    return { found, next: { after: position, since: 0, highest: position, highestAt: positionAt } }
  }
  const drop = async () => rm(await lake.mirror('silver.t'), { recursive: true })

  it.each([1, 2, 3])('made anew with %i versions instead of 2 are all of them, once', async (count) => {
    for (const n of [1, 2]) await write(n)
    const { next } = await look({ after: -1, since: 0 })
    expect((await look(next)).found.versions).toEqual([])
    await drop()
    for (let n = 0; n < count; n++) await write(n)
    const anew = await look(next)
    expect(anew.found.versions.map(({ version, before }) => [version, before])).toEqual(
      Array.from({ length: count }, (_, n) => [n, n === 0 ? null : n - 1]),
    )
    expect(anew.found.anew).toMatchObject({ newest: count - 1, former: next.highestAt })
    const again = await look(anew.next)
    expect([again.found.versions, again.found.anew]).toEqual([[], undefined])
  })

  it('that goes on are the new ones only', async () => {
    await write(1)
    const { next } = await look({ after: -1, since: 0 })
    for (const n of [2, 3]) await write(n)
    const { found } = await look(next)
    expect([found.versions.map(({ version }) => version), found.anew]).toEqual([[1, 2], undefined])
  })
})

describe('files of a glob', () => {
  let project: string
  let now = NOW
  let watch: FileWatch

  beforeEach(async () => {
    project = await mkdtemp(join(tmpdir(), 'sluice-watch-'))
    await mkdir(join(project, 'dags'))
    await mkdir(join(project, 'landing'))
    watch = anew()
  })
  afterEach(() => rm(project, { recursive: true }))

  const anew = () => new FileWatch({ project, dags: join(project, 'dags') } as Config, () => now)
  const source = (
    changes: Partial<NonNullable<TriggerSource['files']>> = {},
    glob = '../landing/*.csv',
  ): TriggerSource => ({
    dagId: 'load',
    kind: 'file',
    source: glob,
    files: { connection: null, stableMs: 2_000, marker: null, ...changes },
    since: NOW,
    position: null,
    positionAt: null,
    lookedAt: null,
    problem: '',
  })
  const put = (name: string, text = 'a\n1\n') => writeFile(join(project, 'landing', name), text)
  const look = async (at: TriggerSource, laterMs = 0, known: string[] = []) => {
    now += laterMs
    const found = await watch.look(at, async () => known)
    found.recorded()
    return { ...found, names: found.files.flatMap(({ files }) => files.map((file) => file.slice(project.length + 1))) }
  }

  it('are told once their size has been the same for long enough, and once only', async () => {
    await put('one.csv')
    expect(await look(source())).toMatchObject({ names: [], againMs: 2_000 })
    await put('one.csv', 'a\n1\n2\n')
    expect((await look(source(), 2_000)).names).toEqual([])
    expect((await look(source(), 1_999)).names).toEqual([])
    expect(await look(source(), 1)).toMatchObject({ names: ['landing/one.csv'], againMs: null })
    expect((await look(source(), 60_000)).names).toEqual([])
  })

  it('are new again when they are written anew, and gone when they are', async () => {
    await put('one.csv')
    await look(source())
    const [first] = (await look(source(), 2_000)).files
    await utimes(join(project, 'landing/one.csv'), 1, 1)
    const replaced = await look(source(), 60_000)
    expect(replaced.gone).toEqual([first?.key])
    const again = await look(source(), 2_000)
    expect(again.names).toEqual(['landing/one.csv'])
    await rm(join(project, 'landing/one.csv'))
    expect((await look(source(), 2_000)).gone).toEqual([again.files[0]?.key])
  })

  it('that the store knows are not told after a restart', async () => {
    await put('one.csv')
    await look(source())
    const [first] = (await look(source(), 2_000)).files
    watch = anew()
    await look(source(), 0, [first?.key ?? ''])
    expect((await look(source(), 2_000)).names).toEqual([])
  })

  it('with a marker are told together, once their folder is complete', async () => {
    const whole = source({ marker: '_SUCCESS' }, '../landing/*/part-*')
    await mkdir(join(project, 'landing/day=1'))
    await mkdir(join(project, 'landing/day=2'))
    for (const part of ['day=1/part-0', 'day=1/part-1', 'day=2/part-0']) await put(part)
    expect((await look(whole)).files).toEqual([])
    await put('day=1/_SUCCESS', '')
    const { files } = await look(whole)
    expect(files.map(({ files: paths }) => paths.length)).toEqual([2])
    expect((await look(whole)).files).toEqual([])
  })

  it('outside the project are left out, also behind a link', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'sluice-outside-'))
    await writeFile(join(outside, 'secret.csv'), 'x')
    await symlink(join(outside, 'secret.csv'), join(project, 'landing/link.csv'))
    await symlink(outside, join(project, 'landing/folder'))
    const all = source({ stableMs: 0 }, '../landing/**/*.csv')
    await put('one.csv')
    expect((await look(all)).names).toEqual(['landing/one.csv'])
    await rm(outside, { recursive: true })
  })
})
