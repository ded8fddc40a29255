import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { python } from '../../operators/python.js'
import { failureOf, TestProject } from './operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

/**
 * Stands in for Python, so that what Sluice does around an interpreter is tested where none is installed. It tells what
 * it was given, and runs the lines of a script that say `print`, `output`, `exit` or `raise`. tests/stack/python.test.ts
 * runs the real one.
 */
const INTERPRETER = `#!${process.execPath}
const { readFileSync, writeFileSync, existsSync } = require('node:fs')
const { dirname, join } = require('node:path')
const [script, ...args] = process.argv.slice(2)
const env = (name) => process.env[name]
console.log(JSON.stringify({ script, args, path: env('PYTHONPATH'), unbuffered: env('PYTHONUNBUFFERED') }))
for (const line of readFileSync(script, 'utf8').split('\\n')) {
  const [word, ...rest] = line.split(' ')
  const text = rest.join(' ')
  if (word === 'print') console.log(text)
  if (word === 'import') console.log('imported ' + existsSync(join(dirname(script), text + '.py')))
  if (word === 'output') writeFileSync(env('SLUICE_OUTPUTS'), text)
  if (word === 'stderr') console.error(text.replaceAll('\\\\n', '\\n'))
  if (word === 'exit') process.exitCode = Number(text)
}
`
const interpreter = project.write('../bin/python3', INTERPRETER)
chmodSync(interpreter, 0o755)
const env = { PATH: `${project.project}/bin:${process.env.PATH ?? ''}` }

/** What the interpreter said it was given. */
function given(lines: string[]): { script: string; args: string[]; path: string; unbuffered: string } {
  return JSON.parse((lines[0] ?? '').replace(/^info /, ''))
}

describe('python', () => {
  it('runs the pinned content of a script, not what the file holds now', async () => {
    project.write('jobs/score.py', 'print today')
    const ctx = project.context({ 'jobs/score.py': 'print as planned' }, { env })
    await python.run({ script: 'jobs/score.py', args: ['--date', '2026-01-01'] }, ctx)
    expect(given(ctx.lines)).toMatchObject({ args: ['--date', '2026-01-01'], unbuffered: '1' })
    expect(ctx.lines).toContain('info as planned')
    expect(given(ctx.lines).script.startsWith(ctx.workDir)).toBe(true)
  })

  it('keeps the files at their places beside each other', async () => {
    const files = { '../jobs/score.py': 'import features', '../jobs/features.py': '', 'local.json': '{"a":1}' }
    const ctx = project.context(files, { env: { ...env, PYTHONPATH: '/opt/lib' } })
    await python.run({ script: '../jobs/score.py', files: ['../jobs/features.py', 'local.json'] }, ctx)
    const { script, path } = given(ctx.lines)
    const root = script.slice(0, -'/jobs/score.py'.length)
    expect(path).toBe(`/opt/lib:${root}`)
    expect(readFileSync(`${root}/dags/local.json`, 'utf8')).toBe('{"a":1}')
    expect(ctx.lines).toContain('info imported true')
  })

  it('refuses a file outside the project', async () => {
    const ctx = project.context({ '../../x.py': '' }, { env })
    expect(await failureOf(python.run({ script: '../../x.py' }, ctx))).toMatchObject({ code: 'PATH_OUTSIDE' })
    expect(existsSync(`${project.root}/x.py`)).toBe(false)
  })

  it('runs inline code and reads its outputs', async () => {
    const ctx = project.context({}, { env })
    const result = await python.run({ code: 'output {"rows": 5}\n' }, ctx)
    expect(result.outputs).toEqual({ rows: 5 })
    // A script's folder is on its import path: a name of the standard library would hide that module.
    expect(given(ctx.lines).script).toMatch(/\/sluice_task\.py$/)
  })

  it('skips with exit code 99', async () => {
    expect(await python.run({ code: 'exit 99' }, project.context({}, { env }))).toHaveProperty('skipped')
  })

  it.each([
    [
      'Traceback (most recent call last):\\n  File "a.py", line 3, in <module>\\n    main()\\nValueError: no rows\\nfor today\\n',
      'exit code 1: ValueError: no rows',
    ],
    [
      'Traceback (most recent call last):\\n  File "a.py"\\nKeyError: 1\\n\\nDuring handling of the above exception, another exception occurred:\\n\\nTraceback (most recent call last):\\n  File "a.py"\\nshop.OrderError: 2',
      'exit code 1: shop.OrderError: 2',
    ],
    [
      '  + Exception Group Traceback (most recent call last):\\n  |   File "a.py"\\n  | ExceptionGroup: two (2 sub-exceptions)\\n  +-+---------------- 1 ----------------\\n    | ValueError: 1\\n    +------------------------------------',
      'exit code 1: ExceptionGroup: two (2 sub-exceptions)',
    ],
    [
      '  File "a.py", line 1\\n    x =\\n       ^\\nSyntaxError: invalid syntax',
      'exit code 1: SyntaxError: invalid syntax',
    ],
    ['usage: score.py --date DATE', 'exit code 1: usage: score.py --date DATE'],
  ])('takes the exception as the reason: %s', async (stderr, message) => {
    const ctx = project.context({}, { env })
    const error = await failureOf(python.run({ code: `stderr ${stderr}\nexit 1` }, ctx))
    expect(error.message).toBe(message)
  })

  it('says what to do when there is no interpreter', async () => {
    const ctx = project.context({}, { env: { PATH: '/nowhere' } })
    const error = await failureOf(python.run({ code: '' }, ctx))
    expect(error).toMatchObject({
      code: 'PROGRAM_MISSING',
      retryable: false,
      hint: expect.stringContaining('`interpreter`'),
    })
    expect(error.message).toMatch(/^python3 is not on this worker's PATH/)
    const named = await failureOf(python.run({ code: '', interpreter: '/opt/venv/bin/python' }, ctx))
    expect(named.message).toBe('/opt/venv/bin/python does not exist.')
  })
})
