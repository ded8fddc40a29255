import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DagFolder } from '../../../scheduler/dag/load-folder.js'
import { compile, problemLines, project, testOperators, write } from './subject.js'

const shared = `owner: sales-data
tags: [sales]
defaults: { retries: 2, pool: default }
templates:
  load:
    bash: { command: "make load TABLE={{ task.id }}", cwd: /srv }
    timeout: 5m
    env: { LEVEL: info, REGION: eu }
`
const orders = `dag: orders
defaults: { retries: 3 }
tasks:
  bronze:
    use: load
    env: { LEVEL: debug }
  silver: { needs: [bronze], use: load, timeout: 1h, bash: { command: make silver } }
`

const folderOf = (root: string) =>
  new DagFolder({ operators: testOperators, project: root, dags: join(root, 'dags'), pools: ['default'] })

describe('templates and defaults files', () => {
  it('give what a DAG and its tasks do not say themselves, maps key by key', async () => {
    const root = project({ 'dags/_defaults.yaml': shared, 'dags/sales/orders.yaml': orders })
    const { dags, problems } = await folderOf(root).read()
    expect(problems).toEqual([])
    const [dag] = dags
    expect(dag).toMatchObject({ owner: 'sales-data', tags: ['sales'], files: { '../_defaults.yaml': shared } })
    expect(dag?.tasks).toMatchObject([
      {
        id: 'bronze',
        config: { command: 'make load TABLE={{ task.id }}', cwd: '/srv' },
        ...{ retries: 3, timeoutMs: 300_000, env: { LEVEL: 'debug', REGION: 'eu' } },
      },
      { id: 'silver', config: { command: 'make silver', cwd: '/srv' }, timeoutMs: 3_600_000, env: { LEVEL: 'info' } },
    ])
  })

  it('of the nearest folder go before those further up, and each is part of the version', async () => {
    const near = 'defaults: { retries: 7 }\ntemplates: { load: { bash: make near } }\n'
    const root = project({
      'dags/_defaults.yaml': shared,
      'dags/sales/orders.yaml': orders.replace('{ retries: 3 }', '{}'),
    })
    const folder = folderOf(root)
    const before = (await folder.read()).dags[0]
    expect(before?.tasks[0]?.retries).toBe(2)
    write(root, 'dags/sales/_defaults.yaml', near)
    const after = (await folder.read()).dags[0]
    expect(after?.tasks[0]).toMatchObject({ retries: 7, config: { command: 'make near' } })
    expect(after?.version).not.toBe(before?.version)
    rmSync(join(root, 'dags/sales/_defaults.yaml'))
    expect((await folder.read()).dags[0]?.version).toBe(before?.version)
  })

  it('are told where they are wrong, once, and break the DAGs that take them over', async () => {
    const wrong = `${shared}  other: { bash: "{{ nothing }}", retry: 1 }\n`
    const root = project({
      'dags/_defaults.yaml': wrong,
      'dags/a.yaml': orders,
      'dags/b.yaml': 'dag: b\ntasks: { t: { bash: x } }\n',
    })
    const { dags, broken, problems } = await folderOf(root).read()
    expect([dags, broken]).toEqual([[], ['a.yaml', 'b.yaml']])
    expect(problems).toMatchObject([{ file: '_defaults.yaml', line: 9, column: 35, path: 'templates.other.retry' }])
  })

  it('are told at their own place what is wrong only in the DAG that uses them', async () => {
    const root = project({
      'dags/_defaults.yaml': 'templates:\n  load:\n    bash: "make {{ params.country }}"\n',
      'dags/a.yaml': 'dag: a\ntasks:\n  one: { use: load }\n  two: { use: load }\n',
    })
    const { problems } = await folderOf(root).read()
    expect(problems).toMatchObject([{ file: '_defaults.yaml', line: 3, path: 'templates.load.bash' }])
  })

  it.each([
    [
      'a template that is not there',
      'dag: a\ntasks:\n  t: { use: laod }\ntemplates: { load: { bash: x } }\n',
      ['3:13 there is no template `laod` (did you mean `load`?)'],
    ],
    [
      'a template without an operator',
      'dag: a\ntasks:\n  t: { use: load }\ntemplates: { load: { retries: 1 } }\n',
      [/^3:3 task `t` needs exactly one operator/],
    ],
    [
      'a template that uses another',
      'dag: a\ntasks:\n  t: { use: load }\ntemplates: { load: { use: x, bash: x } }\n',
      [/^4:22 unknown key `use`/],
    ],
  ] as const)('refuse %s', (_, text, expected) => {
    const lines = problemLines(text)
    expect(lines).toHaveLength(expected.length)
    for (const [index, line] of expected.entries()) expect(lines[index]).toMatch(line)
  })
})

describe('for_each over the rows of a query', () => {
  const text = (task: string) => `dag: a
tasks:
  first: { bash: x }
  load: { needs: [first], ${task}, bash: "make {{ item.country }}" }
`

  it('runs it as a task of its own before the items', () => {
    const { dag, problems } = compile(text('for_each: { query: SELECT country FROM a.b, concurrency: 2 }, retries: 2'))
    expect(problems).toEqual([])
    expect(dag?.tasks.slice(1)).toMatchObject([
      {
        id: 'load_items',
        needs: ['first'],
        operator: 'sql',
        retries: 2,
        config: { query: 'SELECT country FROM a.b', rows: 10_000 },
      },
      {
        ...{ id: 'load', needs: ['first', 'load_items'] },
        forEach: { source: { kind: 'output', task: 'load_items', name: 'rows' }, concurrency: 2 },
      },
    ])
  })

  it('is told where it is wrong', () => {
    const problem = (task: string) => problemLines(text(task))[0]
    expect(problem('for_each: { query: "SELECT {{ nothing }}" }')).toMatch(/^4:\d+ .*nothing/)
    expect(problem('for_each: { query: SELECT 1, in: [1] }')).toContain('`query` and `in`')
    expect(problem('for_each: { query: SELECT 1 }, trigger_rule: one_failed')).toContain('would not wait for its query')
    const taken = text('for_each: { query: SELECT 1 }').replaceAll('first', 'load_items')
    expect(problemLines(taken)[0]).toContain('is there already')
  })
})

describe('groups', () => {
  const tasks = (needs: string) => `dag: a
tasks:
  b1: { bash: x, group: bronze }
  b2: { bash: x, group: bronze, needs: [b1] }
  b3: { bash: x, group: bronze }
  s1: { bash: x, needs: [${needs}] }
`
  it('stand for those of their tasks that no other of them needs', () => {
    const { dag } = compile(tasks('bronze, b3'))
    expect(dag?.tasks.map(({ id, needs, group }) => [id, needs, group])).toEqual([
      ['b1', [], 'bronze'],
      ['b2', ['b1'], 'bronze'],
      ['b3', [], 'bronze'],
      ['s1', ['b2', 'b3'], ''],
    ])
  })

  it('have names of their own, and are not needed by their own tasks', () => {
    expect(problemLines(tasks('bronce'))).toEqual(['6:26 there is no task `bronce` (did you mean `bronze`?)'])
    expect(problemLines(tasks('b3').replace('needs: [b1]', 'needs: [bronze]'))).toEqual([
      '4:41 task `b2` belongs to the group `bronze` itself (name tasks of it)',
    ])
    expect(problemLines(tasks('b3').replaceAll('group: bronze', 'group: s1'))[0]).toBe(
      '3:25 `s1` is a task; a group needs a name of its own (rename the group)',
    )
  })
})

describe('overlap', () => {
  it.each([
    ['catchup: all', '2:10 `overlap: skip` would drop the runs that `catchup` makes up for'],
    ['depends_on_past: true', '2:10 `overlap: skip` ends runs that `depends_on_past` waits for'],
    ['defaults: { depends_on_past: true }', '2:10 `overlap: skip` ends runs that `depends_on_past` waits for'],
  ])('does not go with %s', (line, problem) => {
    const text = `dag: a\noverlap: skip\n${line}\nschedule: "@daily"\ntasks: { t: { bash: x } }\n`
    expect(problemLines(text)[0]).toContain(problem)
  })

  it('and a limit of time are read', () => {
    const { dag } = compile(
      'dag: a\noverlap: cancel_running\nrun_timeout: 2h\ntasks: { t: { bash: x, pool_slots: 3 } }\n',
    )
    expect(dag).toMatchObject({ overlap: 'cancel_running', runTimeoutMs: 7_200_000, tasks: [{ poolSlots: 3 }] })
    expect(problemLines('dag: a\nrun_timeout: 0s\ntasks: { t: { bash: x } }\n')[0]).toContain(
      '`run_timeout` must be longer than nothing',
    )
  })
})
