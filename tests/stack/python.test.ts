import { afterAll, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import { python } from '../../operators/python.js'
import { eventually, failureOf, TestProject } from '../operators/operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

const BUSY = `
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up")
while True: time.sleep(1)
`

describe('the operator python with the real interpreter', () => {
  it('imports files beside the script and by their place in the project', async () => {
    const files = {
      '../jobs/score.py':
        'import sys, json, os\nimport features\nimport jobs.features\nprint(features.WORD, sys.argv[1:])',
      '../jobs/features.py': 'WORD = "grün"',
    }
    const ctx = project.context(files)
    await python.run({ script: '../jobs/score.py', files: ['../jobs/features.py'], args: ['--date', 'a b'] }, ctx)
    expect(ctx.lines).toEqual(["info grün ['--date', 'a b']"])
  })

  it('imports nothing that is not named', async () => {
    project.write('unpinned.py', '')
    const error = await failureOf(python.run({ code: 'import unpinned' }, project.context()))
    expect(error.message).toBe("exit code 1: ModuleNotFoundError: No module named 'unpinned'")
  })

  it('reads outputs', async () => {
    const code =
      'import json, os\nwith open(os.environ["SLUICE_OUTPUTS"], "w") as f: json.dump({"rows": 5, "é": None}, f)'
    expect((await python.run({ code }, project.context())).outputs).toEqual({ rows: 5, é: null })
  })

  it.each([
    ['raise ValueError("no rows\\nfor today")', 'exit code 1: ValueError: no rows'],
    ['try:\n  1/0\nexcept ZeroDivisionError as e:\n  raise KeyError("id") from e', "exit code 1: KeyError: 'id'"],
    ['def f(n): return f(n + 1)\nf(0)', 'exit code 1: RecursionError: maximum recursion depth exceeded'],
    ['x =', 'exit code 1: SyntaxError: invalid syntax'],
    ['import sys\nsys.exit("no input")', 'exit code 1: no input'],
    ['import os, signal\nos.kill(os.getpid(), signal.SIGKILL)', 'killed by SIGKILL (out of memory?)'],
  ])('takes the reason from what Python says: %j', async (code, message) => {
    expect((await failureOf(python.run({ code }, project.context()))).message).toBe(message)
  })

  it('names the group of an exception group', async () => {
    const code = 'raise ExceptionGroup("two", [ValueError(1), KeyError(2)])'
    const error = await failureOf(python.run({ code }, project.context()))
    // Before 3.11 there are none, which is an exception as well.
    expect(error.message).toMatch(
      /^exit code 1: (ExceptionGroup: two \(2 sub-exceptions\)|NameError: .*ExceptionGroup.*)$/,
    )
  })

  it('ends it though it ignores TERM, with the log until then', async () => {
    const ctx = project.context()
    const run = python.run({ code: BUSY }, ctx)
    await eventually('Python is up, unbuffered', () => ctx.lines.includes('info up'))
    const cancelled = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(cancelled)
    expect(await failureOf(run)).toBe(cancelled)
  })
})
