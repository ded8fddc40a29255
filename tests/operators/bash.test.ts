import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { bash } from '../../operators/bash.js'
import { failureOf, TestProject } from './operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

describe('bash', () => {
  it('takes a string or a list as its short form', () => {
    expect(bash.longForm?.('make verify')).toEqual({ command: 'make verify' })
    expect(bash.longForm?.(['true'])).toEqual({ command: ['true'] })
  })

  it('runs a string in a shell and a list without one', async () => {
    const ctx = project.context()
    await bash.run({ command: 'echo $((1 + 1))' }, ctx)
    await bash.run({ command: ['echo', '$((1 + 1))'] }, ctx)
    expect(ctx.lines).toEqual(['info 2', 'info $((1 + 1))'])
  })

  it.each([
    ['false; echo on', 'exit code 1'],
    ['false | cat; echo on', 'exit code 1'],
    ['exit 7', 'exit code 7'],
    ['echo first >&2; echo why >&2; exit 2', 'exit code 2: why'],
    ['no_such_command_7', /^exit code 127 \(command not found\): .*no_such_command_7/],
    ['kill -9 $$', 'killed by SIGKILL (out of memory?)'],
    ['kill -TERM $$', 'killed by SIGTERM'],
    ['(kill -9 $BASHPID)', /^exit code 137, killed by SIGKILL \(out of memory\?\)/],
  ])('stops at the first error: %s', async (command, message) => {
    const ctx = project.context()
    const error = await failureOf(bash.run({ command }, ctx))
    expect(error).toMatchObject({ code: 'OPERATOR_FAILED', retryable: true })
    if (typeof message === 'string') expect(error.message).toBe(message)
    else expect(error.message).toMatch(message)
    expect(ctx.lines).not.toContain('info on')
  })

  it('keeps a reason short and cuts no word, which could be half of a secret', async () => {
    const reason = async (command: string) => (await failureOf(bash.run({ command }, project.context()))).message
    expect(await reason(`printf 'word%.0s ' {1..1000} >&2; exit 1`)).toMatch(/^exit code 1: (word )+…$/)
    expect(await reason(`printf 'x%.0s' {1..1000} >&2; exit 1`)).toBe(
      'exit code 1: its last line is long and stands in the log',
    )
  })

  it('skips with exit code 99, another one, or none', async () => {
    const skip = (config: { command: string; skip_exit_code?: number | null }) => bash.run(config, project.context())
    expect(await skip({ command: 'exit 99' })).toMatchObject({
      skipped: { reason: 'the program ended with exit code 99' },
    })
    expect(await skip({ command: 'exit 4', skip_exit_code: 4 })).toHaveProperty('skipped')
    expect((await failureOf(skip({ command: 'exit 99', skip_exit_code: 4 }))).message).toBe('exit code 99')
    expect((await failureOf(skip({ command: 'exit 99', skip_exit_code: null }))).message).toBe('exit code 99')
    expect((await failureOf(skip({ command: 'kill -9 $$', skip_exit_code: null }))).message).toMatch(/SIGKILL/)
    expect(await skip({ command: 'true', skip_exit_code: null })).not.toHaveProperty('skipped')
  })

  it('reads no standard input', async () => {
    await bash.run({ command: 'cat' }, project.context())
  })
})

describe('the working folder', () => {
  it('is a private one, or a folder of the project relative to the DAG file', async () => {
    const ctx = project.context()
    project.write('../jobs/a.txt', '')
    await bash.run({ command: 'pwd' }, ctx)
    await bash.run({ command: 'pwd; ls', cwd: '../jobs' }, ctx)
    await bash.run({ command: 'pwd', cwd: '..' }, ctx)
    expect(ctx.lines).toEqual([
      `info ${ctx.workDir}`,
      `info ${project.project}/jobs`,
      'info a.txt',
      `info ${project.project}`,
    ])
  })

  it('does not lie outside the project, nor behind a symbolic link', async () => {
    mkdirSync(join(project.root, 'project-next-door'))
    symlinkSync(project.root, join(project.dags, 'link'))
    for (const cwd of ['../..', '/', 'link', 'link/project-next-door', '../../project-next-door']) {
      expect(await failureOf(bash.run({ command: 'pwd', cwd }, project.context()))).toMatchObject({
        code: 'PATH_OUTSIDE',
      })
    }
  })

  it('is one of the project on a worker without the DAGs folder, too', async () => {
    project.write('../jobs/a.txt', '')
    const ctx = { ...project.context(), roots: [project.project, join(project.root, 'a-checkout-elsewhere')] }
    await bash.run({ command: 'ls', cwd: '../jobs' }, ctx)
    expect(ctx.lines).toEqual(['info a.txt'])
  })

  it('that does not exist is named', async () => {
    const error = await failureOf(bash.run({ command: 'pwd', cwd: 'nowhere' }, project.context()))
    expect(error.message).toBe('cwd: the folder nowhere does not exist (relative to the DAG file).')
  })
})

describe('outputs', () => {
  const outputs = async (command: string) => (await bash.run({ command }, project.context())).outputs

  it('are one JSON object in $SLUICE_OUTPUTS', async () => {
    expect(await outputs('true')).toEqual({})
    expect(await outputs(': > "$SLUICE_OUTPUTS"')).toEqual({})
    expect(await outputs(`echo '{"rows": 5, "names": ["ü"], "id": 9007199254740993}' > "$SLUICE_OUTPUTS"`)).toEqual({
      rows: 5,
      names: ['ü'],
      id: '9007199254740993',
    })
  })

  it.each([
    ['echo rows=5 > "$SLUICE_OUTPUTS"', /is not JSON/],
    ['echo "[1]" > "$SLUICE_OUTPUTS"', /holds a list instead of a JSON object/],
    ['echo null > "$SLUICE_OUTPUTS"', /holds null instead/],
    ['echo 5 > "$SLUICE_OUTPUTS"', /holds a number instead/],
    ['mkdir "$SLUICE_OUTPUTS"', /is not a plain file/],
    ['ln -s /etc/hostname "$SLUICE_OUTPUTS"', /is not a plain file/],
    ['truncate -s 3G "$SLUICE_OUTPUTS"', /3,221,225,472 bytes; at most/],
    [`printf '{"a":"%070000d"}' 1 > "$SLUICE_OUTPUTS"`, /70,008 bytes; at most 65,536 \(64 kB\)/],
    [`printf '{"a":"\\\\u0000"}' > "$SLUICE_OUTPUTS"`, /hold a NUL character/],
  ])('are refused otherwise: %s', async (command, message) => {
    const error = await failureOf(outputs(command))
    expect(error).toMatchObject({ code: 'OUTPUTS_INVALID', retryable: false })
    expect(error.message).toMatch(message)
  })

  it('may hold a backslash before u0000', async () => {
    expect(await outputs(`printf '%s' '{"a":"\\\\u0000"}' > "$SLUICE_OUTPUTS"`)).toEqual({ a: '\\u0000' })
  })
})
