import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { NO_ALERTS } from '../../../scheduler/core/alerts.js'
import { cronSchedule, everySchedule } from '../core/dags.js'
import { compile, dagWith, goodDag, problemLines, project, write } from './subject.js'

describe('a compiled DAG', () => {
  it('has every default filled in', () => {
    const dag = goodDag('dag: a\ntasks: { b: { bash: x } }\n')
    expect(dag).toMatchObject({
      id: 'a',
      file: 'test.yaml',
      description: '',
      owner: '',
      tags: [],
      schedule: null,
      start: null,
      catchup: 'none',
      maxActiveRuns: 1,
      maxActiveTasks: 64,
      alerts: NO_ALERTS,
      slas: [],
      params: {},
      files: {},
    })
    expect(dag.tasks).toEqual([
      {
        id: 'b',
        needs: [],
        operator: 'bash',
        config: { command: 'x' },
        when: null,
        forEach: null,
        slas: [],
        triggerRule: 'all_success',
        retries: 0,
        retryDelayMs: 30_000,
        backoff: 2,
        maxDelayMs: 3_600_000,
        timeoutMs: null,
        pool: 'default',
        poolSlots: 1,
        dependsOnPast: false,
        skipIfDone: false,
        priority: 0,
        queue: 'default',
        alerts: NO_ALERTS,
        checks: [],
        outputs: {},
        env: {},
        outputsOf: [],
        files: [],
        line: 2,
        group: '',
      },
    ])
  })

  it('has every key of a task as it is written', () => {
    const dag = goodDag(`dag: a
tasks:
  first: { bash: x }
  b:
    needs: [first]
    bash: x
    when: run.id != ''
    trigger_rule: all_done
    retries: 7
    retry_delay: 3s
    backoff: 1.5
    max_delay: 2m
    timeout: 4m
    pool: narrow
    pool_slots: 2
    priority: 9
    queue: spark
    env: { A: b }
    outputs: { rows: how many }
`)
    expect(dag.tasks[1]).toMatchObject({
      needs: ['first'],
      when: "run.id != ''",
      triggerRule: 'all_done',
      retries: 7,
      retryDelayMs: 3_000,
      backoff: 1.5,
      maxDelayMs: 120_000,
      timeoutMs: 240_000,
      pool: 'narrow',
      poolSlots: 2,
      priority: 9,
      queue: 'spark',
      env: { A: 'b' },
      outputs: { rows: 'how many' },
    })
  })

  it('takes what a task says before what `defaults` say', () => {
    const dag = goodDag(
      'dag: a\ndefaults: { retries: 3, retry_delay: 500ms, timeout: 1h30m, trigger_rule: all_done }\n' +
        'tasks:\n  b: { bash: x, retries: 0, timeout: 20m }\n  c: { bash: x }\n',
    )
    expect(dag.tasks).toMatchObject([
      { id: 'b', retries: 0, retryDelayMs: 500, timeoutMs: 1_200_000, triggerRule: 'all_done', line: 4 },
      { id: 'c', retries: 3, timeoutMs: 5_400_000, line: 5 },
    ])
  })

  it('keeps its schedule and start as instants and zones', () => {
    const dag = goodDag(dagWith(['schedule: { cron: " 0 6 * * * ", timezone: Asia/Tokyo }', 'start: 2026-01-01']))
    expect(dag).toMatchObject({
      schedule: cronSchedule('0 6 * * *', 'Asia/Tokyo', { anchor: Date.UTC(2025, 11, 31, 15) }),
      start: Date.UTC(2025, 11, 31, 15),
    })
    expect(goodDag(dagWith(['schedule: "@daily"'])).schedule).toEqual(cronSchedule('@daily'))
  })

  it.each([
    ['schedule: ["0 6 * * MON-FRI", "0 9 * * SAT"]', cronSchedule(['0 6 * * MON-FRI', '0 9 * * SAT'])],
    ['schedule: { every: 1h30m }', everySchedule(5_400_000)],
    [
      'schedule: { cron: "@daily", skip: [2026-12-26, france, 2026-12-25], business_days: true }',
      cronSchedule('@daily', 'UTC', { skip: ['2026-05-01', '2026-12-25', '2026-12-26'], businessDays: true }),
    ],
    [
      'schedule: { cron: "@daily", skip: france }',
      cronSchedule('@daily', 'UTC', { skip: ['2026-05-01', '2026-12-25'] }),
    ],
  ])('reads %s', (line, expected) => {
    expect(goodDag(dagWith([line])).schedule).toEqual(expected)
  })

  it('keeps its end and what it makes up for', () => {
    const dag = goodDag(
      dagWith(['schedule: { every: 1h }', 'start: 2026-01-01', 'end: 2026-02-01T12:00:00Z', 'catchup: last']),
    )
    const bounds = { anchor: Date.UTC(2026, 0, 1), end: Date.UTC(2026, 1, 1, 12) }
    expect(dag).toMatchObject({ schedule: everySchedule(3_600_000, bounds), catchup: 'last' })
    expect(goodDag(dagWith(['catchup: { window: 7d }'])).catchup).toEqual({ windowMs: 7 * 86_400_000 })
    expect(goodDag(dagWith(['catchup: false'])).catchup).toBe('none')
  })

  it('keeps its deadlines, and those of its tasks', () => {
    const dag = goodDag(
      dagWith(
        ['sla: { by: "02:30 +1d", within: 90m, email: [a@example.com], after_failure: drop, early_warning: off }'],
        ['bash: x', 'sla: { within: 40m, from: start, early_warning: p75 }'],
      ),
    )
    const common = { afterFailure: 'drop', earlyWarning: 'off', to: { email: ['a@example.com'], webhook: null } }
    expect(dag.slas).toEqual([
      { name: 'by 02:30 +1d', rule: { kind: 'by', timeOfDayMs: 9_000_000, days: 1 }, ...common },
      { name: 'within 90m', rule: { kind: 'within', withinMs: 5_400_000, from: 'due' }, ...common },
    ])
    expect(dag.tasks[0]?.slas).toEqual([
      {
        name: 'within 40m from start',
        rule: { kind: 'within', withinMs: 2_400_000, from: 'start' },
        afterFailure: 'fire',
        earlyWarning: 'p75',
        to: null,
      },
    ])
    expect(goodDag(dagWith(['sla: { by: 07:00 }'])).slas).toMatchObject([
      { name: 'by 07:00', rule: { days: null }, earlyWarning: null },
    ])
  })

  it('has another version when a calendar it uses has other days', () => {
    const lines = ['schedule: { cron: "@daily", skip: france }']
    const [before, after] = [{ france: ['2026-12-25'] }, { france: ['2026-12-26'] }].map(
      (calendars) => compile(dagWith(lines), { calendars }).dag?.version,
    )
    expect(before).not.toBe(after)
  })

  it('orders its tasks, and groups them', () => {
    const dag = goodDag('dag: a\ntasks:\n  b_z: { bash: x, needs: [b_y] }\n  b_y: { bash: x }\n  c: { bash: x }\n')
    expect(dag.tasks.map(({ id, group }) => [id, group])).toEqual([
      ['b_y', 'b'],
      ['b_z', 'b'],
      ['c', ''],
    ])
  })

  it('takes a byte order mark, Windows line ends and anchors', () => {
    const dag = goodDag('\uFEFFdag: a\r\ntasks:\r\n  b: &b { bash: x }\r\n  c: *b\r\n')
    expect(dag.tasks.map(({ id }) => id)).toEqual(['b', 'c'])
  })
})

describe('the version', () => {
  const text = 'dag: a\ntasks: { b: { sql: { file: q.sql } } }\n'
  const versionWith = (sql: string, yaml = text) => goodDag(yaml, { root: project({ 'dags/q.sql': sql }) }).version

  it('changes with the YAML, its place and every file it names, and with nothing else', () => {
    expect(versionWith('select 1')).toMatch(/^[0-9a-f]{64}$/)
    expect(versionWith('select 1')).toBe(versionWith('select 1'))
    expect(versionWith('select 2')).not.toBe(versionWith('select 1'))
    expect(versionWith('select 1', `${text}# comment\n`)).not.toBe(versionWith('select 1'))
    const moved = goodDag(text, { root: project({ 'dags/team/q.sql': 'select 1' }), file: 'team/test.yaml' })
    expect(moved.version).not.toBe(versionWith('select 1'))
  })

  it('tells apart what only looks alike when put together', () => {
    const two = (a: string, b: string) =>
      goodDag('dag: a\ntasks: { a: { sql: { file: a } }, b: { sql: { file: b } } }\n', {
        root: project({ 'dags/a': a, 'dags/b': b }),
      }).version
    expect(two('xb', 'y')).not.toBe(two('x', 'by'))
  })

  it('pins the text of the files', () => {
    const root = project({ 'dags/q.sql': '\uFEFFselect 1', 'lib/f.py': 'x' })
    const dag = goodDag('dag: a\ntasks: { b: { sql: { file: ./q.sql } }, c: { script: { file: ../lib/f.py } } }\n', {
      root,
    })
    expect(dag.files).toEqual({ './q.sql': 'select 1', '../lib/f.py': 'x' })
    expect(dag.tasks.map(({ files }) => files)).toEqual([['./q.sql'], ['../lib/f.py']])
  })
})

describe('files that are refused', () => {
  const problem = (path: string, root: string) =>
    problemLines(`dag: a\ntasks: { b: { sql: { file: ${JSON.stringify(path)} } } }\n`, { root })

  it.each([
    ['nope.sql', /^2:28 there is no file `nope.sql` \(paths are relative to the DAG file\)$/],
    ['/etc/passwd', /`\/etc\/passwd` is absolute/],
    ['../../etc/passwd', /leads outside the project/],
    ['../../../../../../../nope', /leads outside the project/],
    ['.', /is not a file/],
    ['a\u0000b', /NUL/],
  ])('%s', (path, expected) => {
    expect(problem(path, project())[0]).toMatch(expected)
  })

  it('leads outside by a link to a file, to a folder, and in two steps', () => {
    const [root, outside] = [project(), project({ 'secret.sql': 'select 1' })]
    symlinkSync(join(outside, 'secret.sql'), join(root, 'dags/file.sql'))
    symlinkSync(outside, join(root, 'dags/folder'))
    symlinkSync('file.sql', join(root, 'dags/second.sql'))
    for (const path of ['file.sql', 'folder/secret.sql', 'second.sql']) {
      expect(problem(path, root)[0]).toMatch(/leads outside the project/)
    }
  })

  it('is a link that stays inside: accepted', () => {
    const root = project({ 'shared/q.sql': 'select 1' })
    symlinkSync(join(root, 'shared'), join(root, 'dags/sql'))
    expect(problem('sql/q.sql', root)).toEqual([])
  })

  it('is a link to itself, a pipe, a picture, or too large', () => {
    const root = project()
    symlinkSync('loop.sql', join(root, 'dags/loop.sql'))
    execFileSync('mkfifo', [join(root, 'dags/pipe.sql')])
    write(root, 'dags/picture.sql', Uint8Array.from([0xff, 0xd8, 0xff]))
    write(root, 'dags/large.sql', 'x'.repeat(1_000_001))
    expect(problem('loop.sql', root)[0]).toMatch(/link that leads to itself/)
    expect(problem('pipe.sql', root)[0]).toMatch(/is not a file/)
    expect(problem('picture.sql', root)[0]).toMatch(/is not a text in UTF-8/)
    expect(problem('large.sql', root)[0]).toMatch(/has 1.0 MB; a file named here has at most 1 MB/)
  })

  it('are too much together', () => {
    const root = project()
    for (let index = 0; index < 9; index++) write(root, `dags/${index}.sql`, 'x'.repeat(1_000_000))
    const tasks = Array.from({ length: 9 }, (_, index) => `  t${index}: { sql: { file: ${index}.sql } }`).join('\n')
    expect(problemLines(`dag: a\ntasks:\n${tasks}\n`, { root })).toEqual([
      '11:22 the files this DAG names have more than 8 MB together (split the DAG)',
    ])
  })

  it('finds faults in a file where they stand, under the name of the file', () => {
    const root = project({ 'dags/sql/q.sql': "select 1,\n  '{{ params.p }}'\n" })
    mkdirSync(join(root, 'dags/sub'))
    const { problems } = compile(
      'dag: a\nparams: { p: { type: string } }\ntasks: { b: { sql: { file: sql/q.sql } } }\n',
      { root },
    )
    expect(problems).toMatchObject([{ file: 'sql/q.sql', line: 2, column: 4, path: 'tasks.b.sql.file' }])
  })

  it('knows nothing of other folders of the machine', () => {
    expect(problem(join('..', '..', '..', tmpdir(), 'x'), project())[0]).toMatch(/leads outside/)
  })
})

describe('who is told', () => {
  const TOLD = `dag: a
on_failure: { email: [sales@example.com], webhook: chat }
on_retry: {}
defaults: { on_failed_checks: { email: [dq@example.com] } }
tasks: { b: { bash: x, on_failure: { email: [load@example.com] } } }
`

  it('is taken from DAG, defaults and task', () => {
    const { alerts, tasks } = goodDag(TOLD)
    expect(alerts).toEqual({
      ...NO_ALERTS,
      onFailure: { email: ['sales@example.com'], webhook: 'chat' },
      onRetry: { email: [], webhook: null },
    })
    expect(tasks[0]?.alerts).toEqual({
      ...NO_ALERTS,
      onFailure: { email: ['load@example.com'], webhook: null },
      onFailedChecks: { email: ['dq@example.com'], webhook: null },
    })
  })

  it.each([
    ['on_failure: { mail: [a@b.c] }', /^2:\d+ unknown key `mail`.*email/],
    ['on_failure: { email: [nobody] }', /must be an e-mail address such as/],
    ['on_failure: { email: ["a@b.c\\nBcc: eve@e.org"] }', /must be an e-mail address such as/],
    ['on_failure: [a@b.c]', /must be a map such as \{ email/],
    ['on_faliure: {}', /did you mean `on_failure`/],
  ])('must be somebody: %s', (line, message) => {
    expect(problemLines(dagWith([line])).join()).toMatch(message)
  })
})
