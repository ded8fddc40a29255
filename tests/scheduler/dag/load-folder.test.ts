import { execFileSync } from 'node:child_process'
import { chmodSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isSluiceError } from '../../../errors.js'
import { operators } from '../../../operators/index.js'
import type { CompileOptions } from '../../../scheduler/dag/compile.js'
import { DagFolder, loadFolder } from '../../../scheduler/dag/load-folder.js'
import { fileStamp } from '../../../scheduler/dag/named-files.js'
import { project, testOperators, write } from './subject.js'

const dag = (id: string, command = 'x') => `dag: ${id}\ntasks: { load: { bash: ${command} } }\n`
const optionsFor = (root: string): CompileOptions => ({
  operators: testOperators,
  project: root,
  dags: join(root, 'dags'),
})
/** Does it as somebody whom modes of files bind; root reads everything. */
async function unprivileged<T>(root: string, act: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0 || process.seteuid === undefined) return act()
  chmodSync(root, 0o755)
  process.seteuid(65_534)
  try {
    return await act()
  } finally {
    process.seteuid(0)
  }
}

const idsIn = (dags: readonly { id: string }[]) => dags.map(({ id }) => id)

describe('a folder of DAGs', () => {
  it('is read with its subfolders, and without what holds no DAGs', async () => {
    const root = project({
      'dags/b.yaml': dag('b'),
      'dags/sub/deep/a.yml': dag('a'),
      'dags/.hidden.yaml': 'no',
      'dags/.git/x.yaml': 'no',
      'dags/data/x.yaml': 'no',
      'dags/node_modules/x.yaml': 'no',
      'dags/readme.md': 'no',
      'dags/sluice.yaml': 'dags: .',
      'dags/another/sluice.yaml': '',
      'dags/another/dags/x.yaml': 'no',
      'dags/sql/x.sql': 'select 1',
      'dags/team/data/c.YAML': dag('c'),
    })
    const { dags, broken, problems } = await loadFolder(optionsFor(root))
    expect(dags.map(({ id, file }) => [id, file])).toEqual([
      ['b', 'b.yaml'],
      ['a', 'sub/deep/a.yml'],
      ['c', 'team/data/c.YAML'],
    ])
    expect([broken, problems]).toEqual([[], []])
  })

  it('tells every problem of every file, and keeps the others', async () => {
    const root = project({
      'dags/a.yaml': 'dag: a\nshedule: x\ntasks: { b: {} }\n',
      'dags/b.yaml': dag('b'),
      'dags/c.yaml': '\t',
    })
    const { dags, broken, problems } = await loadFolder(optionsFor(root))
    expect(idsIn(dags)).toEqual(['b'])
    expect(broken).toEqual(['a.yaml', 'c.yaml'])
    expect(problems.map(({ file, line }) => [file, line])).toEqual([
      ['a.yaml', 2],
      ['a.yaml', 3],
      ['c.yaml', 1],
    ])
  })

  it('lets no file win when two have the same id, also when one of them is broken', async () => {
    const root = project({
      'dags/a.yaml': dag('x'),
      'dags/b.yaml': `# b\n${dag('x')}`,
      'dags/c.yaml': dag('y'),
      'dags/d.yaml': 'dag: y\n',
    })
    const { dags, broken, problems } = await loadFolder(optionsFor(root))
    expect(dags).toEqual([])
    expect(broken).toEqual(['a.yaml', 'b.yaml', 'c.yaml', 'd.yaml'])
    expect(problems).toContainEqual({
      file: 'b.yaml',
      line: 2,
      column: 6,
      path: 'dag',
      severity: 'error',
      message: 'the id `x` is also that of a.yaml',
      hint: 'give each DAG an id of its own',
    })
  })

  it('refuses DAGs that wait for each other in a circle, or for one that is not there', async () => {
    const waits = (id: string, other: string) =>
      `dag: ${id}\nschedule:\n  dags: [${other}]\ntasks: { t: { bash: ["true"] } }\n`
    const root = project({
      'dags/a.yaml': waits('a', 'b'),
      'dags/b.yaml': waits('b', 'a'),
      'dags/good.yaml': waits('good', 'a'),
      'dags/typo.yaml': waits('typo', 'godo'),
    })
    const reading = await loadFolder(optionsFor(root))
    expect(idsIn(reading.dags)).toEqual(['good'])
    expect(reading.problems.map(({ file, line, path, message }) => [file, line, path, message])).toEqual([
      ['a.yaml', 3, 'schedule.dags', 'DAGs start each other in a circle: b -> a -> b'],
      ['b.yaml', 3, 'schedule.dags', 'DAGs start each other in a circle: b -> a -> b'],
      ['typo.yaml', 3, 'schedule.dags', 'there is no DAG `godo`'],
    ])
  })

  it('refuses a DAG that starts another with parameters it does not take', async () => {
    const starts = (id: string, params: string) =>
      `dag: ${id}\ntasks:\n  t: { trigger_dag: { dag: child, ${params} } }\n`
    const root = project({
      'dags/child.yaml': `${dag('child')}params: { day: { type: date }, mode: { type: string, default: full } }\n`,
      'dags/good.yaml': starts('good', 'params: { day: "{{ date interval.start }}" }'),
      'dags/less.yaml': starts('less', 'wait: false'),
      'dags/typo.yaml': starts('typo', 'params: { day: 2026-01-01, mod: full }'),
    })
    const { dags, problems } = await loadFolder({ ...optionsFor(root), operators })
    expect(idsIn(dags)).toEqual(['child', 'good'])
    expect(problems.map(({ file, line, message, hint }) => [file, line, message, hint])).toEqual([
      ['less.yaml', 3, 'the DAG `child` needs the parameter `day`', 'give it below `params`'],
      ['typo.yaml', 3, 'the DAG `child` has no parameter `mod`', 'did you mean `mode`?'],
    ])
  })

  it('refuses what an operator knows that no attempt could use, where it stands', async () => {
    const tasks = [
      't1: { wait_for: { until: tomorrow } }',
      't2: { http: { url: "https://example.com", timeout: 1m1h } }',
      't3: { http: ftp://example.com }',
      't4: { approval: { message: go, timeout: 1h1h } }',
      't5: { wait_for: { file: ../../b } }',
      't6: { wait_for: { file: ../b } }',
    ]
    const root = project({ 'dags/a.yaml': `dag: a\ntasks:\n${tasks.map((task) => `  ${task}\n`).join('')}` })
    const { problems } = await loadFolder({ ...optionsFor(root), operators })
    expect(problems.map(({ line, column, path, message }) => [line, column, path, message])).toEqual([
      [3, 28, 'tasks.t1.wait_for.until', '`until` is neither a date nor an instant: tomorrow'],
      [4, 54, 'tasks.t2.http.timeout', '`timeout` is not a duration: 1m1h'],
      [5, 15, 'tasks.t3.http', 'ftp://example.com is not an http(s) URL'],
      [6, 43, 'tasks.t4.approval.timeout', '`timeout` is not a duration: 1h1h'],
      [7, 27, 'tasks.t5.wait_for.file', '../../b leads outside the project'],
    ])
  })

  it('takes a path that lies in the project by way of a link', async () => {
    const wait = (path: string) => `dag: a\ntasks: { t: { wait_for: { file: ${path} } } }\n`
    const root = project({ 'repo/x/dags/a.yaml': wait('../../../landing/a.csv') })
    rmSync(join(root, 'dags'), { recursive: true })
    symlinkSync(join(root, 'repo/x/dags'), join(root, 'dags'))
    const problems = async () => (await loadFolder({ ...optionsFor(root), operators })).problems
    expect(await problems()).toEqual([])
    write(root, 'dags/a.yaml', wait('../../../../landing/a.csv'))
    expect(await problems()).toHaveLength(1)
    write(root, 'dags/a.yaml', wait(join(root, 'landing/a.csv')))
    expect(await problems()).toEqual([])
  })

  it('refuses DAGs that start each other in a circle, wait for their own run, or name no DAG', async () => {
    const starts = (id: string, ...others: string[]) =>
      `dag: ${id}\ntasks:\n${others.map((other, index) => `  t${index}: { trigger_dag: ${other} }\n`).join('')}`
    const root = project({
      'dags/a.yaml': starts('a', 'b', 'good'),
      'dags/b.yaml': starts('b', 'c'),
      'dags/c.yaml': starts('c', 'a'),
      'dags/self.yaml': starts('self', 'self'),
      'dags/good.yaml': starts('good', 'plain'),
      'dags/plain.yaml': dag('plain'),
      'dags/typo.yaml': starts('typo', 'plian'),
      'dags/own.yaml': 'dag: own\ntasks: { t: { wait_for: { dag: own } } }\n',
      'dags/last.yaml': 'dag: last\ntasks: { t: { wait_for: { dag: last, interval: last } } }\n',
    })
    const reading = await loadFolder({ ...optionsFor(root), operators })
    expect(idsIn(reading.dags)).toEqual(['good', 'last', 'plain'])
    expect(reading.broken).toEqual(['own.yaml', 'typo.yaml', 'a.yaml', 'b.yaml', 'c.yaml', 'self.yaml'])
    expect(reading.problems.map(({ file, line, path, message, hint }) => [file, line, path, message, hint])).toEqual([
      [
        'a.yaml',
        3,
        'tasks.t0.trigger_dag',
        'DAGs start each other in a circle: a -> b -> c -> a',
        'remove one of these tasks',
      ],
      [
        'b.yaml',
        3,
        'tasks.t0.trigger_dag',
        'DAGs start each other in a circle: a -> b -> c -> a',
        'remove one of these tasks',
      ],
      [
        'c.yaml',
        3,
        'tasks.t0.trigger_dag',
        'DAGs start each other in a circle: a -> b -> c -> a',
        'remove one of these tasks',
      ],
      ['own.yaml', 2, 'tasks.t.wait_for', 'task `t` waits for its own run', 'name another DAG'],
      [
        'self.yaml',
        3,
        'tasks.t0.trigger_dag',
        'DAGs start each other in a circle: self -> self',
        'remove one of these tasks',
      ],
      ['typo.yaml', 3, 'tasks.t0.trigger_dag', 'there is no DAG `plian`', 'did you mean `plain`?'],
    ])
    // a file whose id nobody can read may be the one that is missing
    write(root, 'dags/broken.yaml', 'dag: [')
    expect(idsIn((await loadFolder({ ...optionsFor(root), operators })).dags)).toContain('typo')
  })

  it('names files that cannot be read or are none', async () => {
    const [root, outside] = [project({ 'dags/good.yaml': dag('good') }), project({ 'x.yaml': dag('x') })]
    symlinkSync(join(outside, 'x.yaml'), join(root, 'dags/link.yaml'))
    symlinkSync('nowhere', join(root, 'dags/dangling.yaml'))
    execFileSync('mkfifo', [join(root, 'dags/pipe.yaml')])
    write(root, 'dags/large.yaml', '')
    // a hole in the file: nothing that reads it could
    truncateSync(join(root, 'dags/large.yaml'), 10_000_000_000)
    const { dags, problems } = await loadFolder(optionsFor(root))
    expect(idsIn(dags)).toEqual(['good'])
    expect(problems.map(({ file, message }) => `${file} ${message}`)).toEqual([
      'dangling.yaml the file cannot be read (ENOENT)',
      'large.yaml the file has 10000.0 MB; a DAG file has at most 1 MB',
      'link.yaml the file is a link that leads outside the project',
      'pipe.yaml this is not a regular file',
    ])
  })

  it('names a file without permission', async () => {
    const root = project({ 'dags/a.yaml': dag('a') })
    chmodSync(join(root, 'dags/a.yaml'), 0o000)
    const { problems } = await loadFolder(optionsFor(root))
    // root reads everything
    expect(problems.map(({ message }) => message)).toEqual(
      process.getuid?.() === 0 ? [] : ['the file cannot be read (EACCES)'],
    )
  })

  it('names a folder below that it may not read, and reads the others', async () => {
    const root = project({ 'dags/a.yaml': dag('a'), 'dags/secret/b.yaml': dag('b'), 'dags/z.yaml': dag('z') })
    const folder = new DagFolder(optionsFor(root))
    expect(idsIn((await folder.read()).dags)).toEqual(['a', 'b', 'z'])
    chmodSync(join(root, 'dags/secret'), 0o000)
    const unreadable = {
      file: 'secret/',
      line: 1,
      column: 1,
      path: '',
      severity: 'error',
      message: 'the folder cannot be read (EACCES)',
      hint: 'check its permissions',
    }
    // one that has read it before, and one that has just been started
    for (const one of [folder, new DagFolder(optionsFor(root))]) {
      const { dags, broken, problems } = await unprivileged(root, () => one.read())
      expect({ ids: idsIn(dags), broken, problems }).toEqual({
        ids: ['a', 'z'],
        broken: ['secret/'],
        problems: [unreadable],
      })
    }
    chmodSync(join(root, 'dags/secret'), 0o755)
    expect(idsIn((await folder.read()).dags)).toEqual(['a', 'b', 'z'])
  })

  it('takes nothing for missing that may be in a folder it cannot read', async () => {
    const root = project({
      'dags/a.yaml': 'dag: a\ntasks: { t: { trigger_dag: b } }\n',
      'dags/secret/b.yaml': dag('b'),
    })
    chmodSync(join(root, 'dags/secret'), 0o000)
    const { dags } = await unprivileged(root, () => loadFolder({ ...optionsFor(root), operators }))
    expect(idsIn(dags)).toEqual(['a'])
    chmodSync(join(root, 'dags/secret'), 0o755)
  })

  it('says of a folder that lies too deep that it is not read', async () => {
    const deep = Array.from({ length: 21 }, (_, depth) => `d${depth}`).join('/')
    const { problems } = await loadFolder(optionsFor(project({ [`dags/${deep}/a.yaml`]: dag('a') })))
    expect(problems.map(({ file, message }) => [file, message])).toEqual([
      [`${deep}/`, 'the folder lies more than 20 folders deep and is not read'],
    ])
  })

  it('says so when the folder is not there', async () => {
    const root = project()
    rmSync(join(root, 'dags'), { recursive: true })
    await expect(loadFolder(optionsFor(root))).rejects.toSatisfy((error) => isSluiceError(error, 'CONFIG_INVALID'))
  })
})

describe('reading again', () => {
  /** Old enough that no change can hide behind the clock of the file system. */
  const age = (root: string, path: string) => utimesSync(join(root, path), 1_700_000_000, 1_700_000_000)

  it('compiles only what has changed', async () => {
    const root = project({ 'dags/a.yaml': dag('a'), 'dags/b.yaml': dag('b') })
    for (const path of ['dags/a.yaml', 'dags/b.yaml']) age(root, path)
    const folder = new DagFolder(optionsFor(root))
    const before = await folder.read()
    write(root, 'dags/b.yaml', dag('b', 'y'))
    const after = await folder.read()
    expect(after.dags[0]).toBe(before.dags[0])
    expect(after.dags[1]).not.toBe(before.dags[1])
    expect(after.dags[1]?.version).not.toBe(before.dags[1]?.version)
  })

  it('sees a change in a file that a DAG names, also one that was missing', async () => {
    const root = project({ 'dags/a.yaml': 'dag: a\ntasks: { b: { sql: { file: ../q.sql } } }\n' })
    age(root, 'dags/a.yaml')
    const folder = new DagFolder(optionsFor(root))
    expect((await folder.read()).broken).toEqual(['a.yaml'])
    write(root, 'q.sql', 'select 1')
    const first = (await folder.read()).dags[0]?.version
    write(root, 'q.sql', 'select 2')
    const second = (await folder.read()).dags[0]?.version
    expect(first).toBeDefined()
    expect(second).not.toBe(first)
    expect(folder.folders()).toEqual([join(root, 'dags'), root])
  })

  it('sees a change of the same size made at once', async () => {
    const root = project()
    const folder = new DagFolder(optionsFor(root))
    for (let round = 0; round < 30; round++) {
      write(root, 'dags/a.yaml', dag('a', String.fromCharCode(97 + (round % 26))))
      expect((await folder.read()).dags[0]?.source).toContain(`bash: ${String.fromCharCode(97 + (round % 26))} `)
    }
  })

  it('takes no stamp for final while the clock of the file system may still show the same', () => {
    const root = project({ 'a.yaml': 'a' })
    const path = join(root, 'a.yaml')
    expect(fileStamp(path)).not.toBe(fileStamp(path))
    age(root, 'a.yaml')
    expect(fileStamp(path)).toBe(fileStamp(path))
  })

  it('forgets a file that has gone, and takes over a folder put in its place', async () => {
    const root = project({ 'dags/a.yaml': dag('a'), 'next/b.yaml': dag('b') })
    const folder = new DagFolder(optionsFor(root))
    expect(idsIn((await folder.read()).dags)).toEqual(['a'])
    renameSync(join(root, 'dags'), join(root, 'old'))
    renameSync(join(root, 'next'), join(root, 'dags'))
    expect(idsIn((await folder.read()).dags)).toEqual(['b'])
  })
})
