import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../package-root.js'
import { sluice } from './sluice-process.js'

let project: string

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'sluice-check-'))
  await mkdir(join(project, 'dags/team'), { recursive: true })
})

afterEach(async () => {
  await rm(project, { recursive: true, force: true })
})

const write = (path: string, text: string) => writeFile(join(project, path), text)
const GOOD = 'dag: good\nschedule: { cron: "30 2 * * *", timezone: Europe/Paris }\ntasks:\n  only: { bash: ["true"] }\n'

describe('sluice check', () => {
  it('prints exactly { dags, problems } for programs, and ends with 1', async () => {
    await write('dags/good.yaml', GOOD)
    await write('dags/team/bad.yaml', 'dag: bad\ntasks:\n  only:\n    bahs: echo\n')
    const { code, stdout, stderr } = await sluice(['check', '--json', '--project', project])
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({
      dags: [{ dag: 'good', file: 'dags/good.yaml', version: expect.stringMatching(/^[0-9a-f]{64}$/), tasks: 1 }],
      problems: [
        {
          file: 'dags/team/bad.yaml',
          line: 4,
          column: 5,
          path: 'tasks.only.bahs',
          severity: 'error',
          message: expect.stringContaining('unknown key `bahs`'),
          hint: 'did you mean `bash`?',
        },
      ],
    })
  })

  it('shows people the line with a caret, plain when piped', async () => {
    await write('dags/bad.yaml', 'dag: bad\ntasks:\n  only:\n    bahs: echo\n')
    const { stdout } = await sluice(['check', '--project', project])
    expect(stdout).toContain('dags/bad.yaml:4:5 error: unknown key `bahs`')
    expect(stdout).toContain('  4 |     bahs: echo\n    |     ^\n  hint: did you mean `bash`?\n')
    expect(stdout).toContain('0 good DAGs with 0 tasks; 1 error and 0 warnings in 1 file.')
    expect(stdout).not.toContain('\u001b')
  })

  it('says so when all is well', async () => {
    await write('dags/good.yaml', GOOD)
    expect(await sluice(['check', '--project', project])).toEqual({
      code: 0,
      stdout: '1 good DAG with 1 task, no problems.\n',
      stderr: '',
    })
  })

  it('looks at the named paths only, inside the folder and outside', async () => {
    await write('dags/good.yaml', GOOD)
    await write('dags/bad.yaml', 'dag: [')
    await write('elsewhere.yaml', GOOD.replace('good', 'elsewhere'))
    const check = async (...paths: string[]) => {
      const { code, stdout } = await sluice([
        'check',
        '--json',
        '--project',
        project,
        ...paths.map((path) => join(project, path)),
      ])
      const { dags, problems } = JSON.parse(stdout) as { dags: { dag: string }[]; problems: { file: string }[] }
      return { code, dags: dags.map(({ dag }) => dag), files: [...new Set(problems.map(({ file }) => file))] }
    }
    expect(await check('dags/good.yaml')).toEqual({ code: 0, dags: ['good'], files: [] })
    expect(await check('dags/bad.yaml', 'elsewhere.yaml')).toEqual({
      code: 1,
      dags: ['elsewhere'],
      files: ['dags/bad.yaml'],
    })
    expect(await check('dags')).toEqual({ code: 1, dags: ['good'], files: ['dags/bad.yaml'] })
  })

  it('reports a fault in SQL with the DAG that names it', async () => {
    await mkdir(join(project, 'dags/sql'))
    await write('dags/sql/a.sql', "select '{{ params.x }}' as x")
    await write('dags/a.yaml', 'dag: a\ntasks:\n  t:\n    sql: { file: sql/a.sql, to: s.t }\n')
    const { stdout } = await sluice(['check', '--project', project, join(project, 'dags/a.yaml')])
    expect(stdout).toContain('dags/sql/a.sql:1:9 error:')
    expect(stdout).toContain("1 | select '{{ params.x }}' as x")
  })

  it('prints no line of a file outside the project, and waits for no pipe', async () => {
    await mkdir(join(project, 'outside'))
    await write('outside/token', 'dag: s3cr3t\n')
    await mkdir(join(project, 'own/dags'), { recursive: true })
    await symlink(join(project, 'outside/token'), join(project, 'own/dags/link.yaml'))
    execFileSync('mkfifo', [join(project, 'own/dags/pipe.yaml')])
    const own = ['--project', join(project, 'own')]
    for (const paths of [[], ['link.yaml', 'pipe.yaml'].map((name) => join(project, 'own/dags', name))]) {
      const { code, stdout } = await sluice(['check', ...own, ...paths])
      expect(code).toBe(1)
      expect(stdout).toContain('dags/link.yaml:1:1 error: the file is a link that leads outside the project\n  hint:')
      expect(stdout).toContain('dags/pipe.yaml:1:1 error: this is not a regular file\n  hint:')
      expect(stdout).not.toContain('s3cr3t')
    }
    // named by hand from elsewhere, the folder it lies in is no way out either
    const { stdout } = await sluice(['check', ...own, join(project, 'own/dags/link.yaml'), join(project, 'outside')])
    expect(stdout).toContain('dags/link.yaml:1:1')
  })

  it('says why it does not read what was named', async () => {
    for (const folder of ['data', 'other', 'sql']) await mkdir(join(project, 'dags', folder))
    await write('dags/data/x.yaml', 'dag: [')
    await write('dags/other/sluice.yaml', '')
    await write('dags/other/x.yaml', GOOD)
    await write('dags/.x.yaml', GOOD)
    await write('dags/x.json', '{}')
    await write('dags/sql/a.sql', 'select 1 as x')
    await write('dags/sql/b.sql', 'select 1 as x')
    await write('dags/_defaults.yaml', 'defaults: { retries: 1 }\n')
    await write('dags/a.yaml', 'dag: a\ntasks:\n  t: { sql: { file: sql/a.sql, to: s.t } }\n')
    const check = async (path: string) => {
      const { code, stdout, stderr } = await sluice(['check', '--project', project, join(project, 'dags', path)])
      return code === 2 ? stderr.split('\n')[0]?.split(' is not read: ')[1] : `${code} ${stdout.trim()}`
    }
    expect(await check('data/x.yaml')).toBe('it lies in data, which is the folder for data.')
    expect(await check('data')).toBe('it is the folder for data.')
    expect(await check('other/x.yaml')).toBe('it lies in other, which is a project of its own (it has a sluice.yaml).')
    await symlink(join(project, 'dags/sql'), join(project, 'dags/linked'))
    await write('dags/sql/x.yaml', GOOD)
    expect(await check('linked/x.yaml')).toBe('it lies in linked, which is a link to a folder.')
    await rm(join(project, 'dags/sql/x.yaml'))
    expect(await check('.x.yaml')).toBe('it begins with a dot.')
    expect(await check('x.json')).toBe('it is no DAG file (*.yaml or *.yml).')
    expect(await check('sql/b.sql')).toBe('it is no DAG file (*.yaml or *.yml).')
    expect(await check('sql/a.sql')).toBe('0 0 good DAGs with 0 tasks, no problems.')
    expect(await check('sql')).toBe('0 0 good DAGs with 0 tasks, no problems.')
    expect(await check('_defaults.yaml')).toBe('0 0 good DAGs with 0 tasks, no problems.')
    expect(await check('a.yaml')).toBe('0 1 good DAG with 1 task, no problems.')
    const long = await sluice(['check', '--project', project, join(project, `${'x/'.repeat(2_500)}x.yaml`)])
    expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be looked at (ENAMETOOLONG).') })
    await write('elsewhere.yaml', 'dag: e\nbahs: 1\n')
    await rm(join(project, 'dags'), { recursive: true })
    const outside = await sluice(['check', '--project', project, join(project, 'elsewhere.yaml')])
    expect(outside).toMatchObject({ code: 1, stderr: '', stdout: expect.stringContaining('2 | bahs: 1') })
  })

  it('ends with 2 for a path or a configuration that makes no sense', async () => {
    expect(await sluice(['check', '--project', project, 'nowhere.yaml'])).toMatchObject({ code: 2, stdout: '' })
    expect(await sluice(['check', '--project', join(project, 'nowhere')])).toMatchObject({ code: 2, stdout: '' })
    await write('sluice.yaml', 'pool: {}')
    const { code, stderr } = await sluice(['check', '--project', project])
    expect(code).toBe(2)
    expect(stderr).toContain('sluice.yaml:1:1: unknown key `pool`')
  })

  it('is quick, because it loads no engine', async () => {
    const started = performance.now()
    await sluice(['check', '--project', PACKAGE_ROOT])
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

describe('sluice schedule', () => {
  const schedule = async (...args: string[]) => {
    const { code, stdout, stderr } = await sluice(['schedule', '--json', '--project', project, ...args])
    return { code, stderr, due: stdout === '' ? null : (JSON.parse(stdout) as unknown) }
  }

  it('lists from <= due < to with the intervals, through the change of the clock', async () => {
    await write('dags/good.yaml', GOOD)
    await write('dags/hand.yaml', 'dag: by_hand\ntasks:\n  only: { bash: ["true"] }\n')
    // 02:30 does not exist on 29 March 2026 in Paris: it fires once, at the first instant after the gap
    expect(await schedule('good', 'by_hand', '--from', '2026-03-28T01:30Z', '--to', '2026-03-30T00:30Z')).toEqual({
      code: 0,
      stderr: '',
      due: [
        {
          dag: 'good',
          due: '2026-03-28T01:30:00.000Z',
          start: '2026-03-27T01:30:00.000Z',
          end: '2026-03-28T01:30:00.000Z',
        },
        {
          dag: 'good',
          due: '2026-03-29T01:00:00.000Z',
          start: '2026-03-28T01:30:00.000Z',
          end: '2026-03-29T01:00:00.000Z',
        },
      ],
    })
  })

  it('lists nothing whose interval begins before the DAG does', async () => {
    await write('dags/good.yaml', `${GOOD}start: 2026-06-02\n`)
    const { due } = await schedule('good', '--from', '2026-06-01', '--to', '2026-06-05')
    expect((due as { due: string }[]).map((run) => run.due)).toEqual([
      '2026-06-03T00:30:00.000Z',
      '2026-06-04T00:30:00.000Z',
    ])
  })

  it('shows people the local time, its seconds where there are any, and what no time starts', async () => {
    await write('dags/good.yaml', GOOD)
    await write('dags/fine.yaml', GOOD.replace('good', 'fine').replace('30 2', '*/30 30 2').replace('Paris', 'Berlin'))
    await write('dags/hand.yaml', 'dag: by_hand\ntasks:\n  only: { bash: ["true"] }\n')
    const { stdout } = await sluice([
      'schedule',
      'good',
      'fine',
      'by_hand',
      '--project',
      project,
      '--from',
      '2026-07-01',
      '--to',
      '2026-07-02',
    ])
    expect(stdout).toContain(
      '2026-07-01 00:30:00Z  2026-07-01 02:30 Europe/Paris      2026-06-30 00:30:00Z - 2026-07-01 00:30:00Z',
    )
    expect(stdout).toContain('2026-07-01 00:30:30Z  2026-07-01 02:30:30 Europe/Berlin')
    expect(stdout).toContain('by_hand runs by hand only.')
    expect(stdout).not.toContain('Nothing is due.')
  })

  it.each([
    [['unknown', '--from', '2026-01-01', '--to', '2026-01-02'], 1, 'There is no good DAG `unknown`'],
    [['good', '--from', '2026-02-30', '--to', '2026-03-02'], 2, 'ISO 8601 date or instant'],
    [['good', '--next', '0'], 2, 'whole number of at least 1'],
  ])('refuses %j', async (args, code, message) => {
    await write('dags/good.yaml', GOOD)
    const answer = await schedule(...args)
    expect(answer).toMatchObject({ code, due: null })
    expect(answer.stderr).toContain(message)
  })
})

describe('sluice schema', () => {
  it('prints the JSON Schema that editors use', async () => {
    const { code, stdout } = await sluice(['schema'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', required: ['dag', 'tasks'] })
  })

  it('prints that of sluice.yaml, and knows no other', async () => {
    const { code, stdout } = await sluice(['schema', 'config'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ title: 'sluice.yaml', definitions: { s3: { type: 'object' } } })
    expect((await sluice(['schema', 'tables'])).code).toBe(2)
  })
})
