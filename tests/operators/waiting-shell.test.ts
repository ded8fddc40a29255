import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import { processesWith } from '../../operators/process/process-group.js'
import { runProcess, waitingShell } from '../../operators/process/run-process.js'
import { WaitingShell } from '../../operators/process/waiting-shell.js'
import { processEntry } from '../../package-root.js'
import { eventually, failureOf, TestProject } from './operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

const PATH = '/usr/bin:/bin'
const START = { cwd: '/tmp', env: { PATH } }

const shells: WaitingShell[] = []
afterEach(() => {
  for (const shell of shells.splice(0)) shell.dismiss()
  waitingShell.dismiss()
})

/** A shell that waits, because a program was started that it could have become. */
function waiting(shell = new WaitingShell()): WaitingShell {
  shells.push(shell)
  shell.become(['true'], START)
  shell.prepare()
  return shell
}

async function ended(child: ChildProcess | null): Promise<{ stdout: string; stderr: string; code: number | null }> {
  if (child?.stdout == null || child.stderr == null) throw new Error('nothing was started')
  const exit = once(child, 'exit')
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  return { stdout, stderr, code: code as number | null }
}

function isThere(pid: number | undefined): boolean {
  if (pid === undefined || !existsSync(`/proc/${pid}/stat`)) return false
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}

describe('a waiting shell', () => {
  it('is there once a program has been started that it could have become, and not before', () => {
    const shell = new WaitingShell()
    shells.push(shell)
    shell.prepare()
    expect(shell.pid).toBeUndefined()
    expect(shell.become(['true'], START)).toBeNull()
    shell.prepare()
    expect(isThere(shell.pid)).toBe(true)
  })

  it('becomes the program: its pid, arguments, environment, folder and streams, and nothing else', async () => {
    const env = { PATH, HOME: "/it's home", SLUICE_RUN: 'a b\n"c" $(d) `e` \\ é', empty: '' }
    const argv = ['/bin/sh', '-c', 'ls -l /proc/self/fd; pwd; echo $$; echo "$0" >&2; printf "\\0"; env -0', 'name']
    const start = { cwd: project.dags, env }
    const shell = waiting()
    const pid = shell.pid
    const [became, direct] = await Promise.all([
      ended(shell.become(argv, start)),
      ended(spawn('/bin/sh', argv.slice(1), { ...start, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })),
    ])
    const stable = (out: string) =>
      out
        .replace(/^total.*$/m, '')
        .replaceAll(/\S+ -> /g, '-> ')
        .replaceAll(/\[\d+\]|\/proc\/\d+|^\d+$/gm, '#')
        .replaceAll(/^[-lrwx]+ .* -> /gm, '-> ')
        .split('\0')
        .sort()
    expect(became.stdout).toContain(`\n${pid}\n`)
    expect(stable(became.stdout)).toEqual(stable(direct.stdout))
    expect(became.stderr).toBe('name\n')
    expect(became.code).toBe(0)
  })

  it('hands over every character of every argument', async () => {
    const word = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => !value.includes('\0'))
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 5 }), word, async (words, value) => {
        const env = { PATH, SLUICE_VALUE: value }
        const shell = waiting()
        const seen = await ended(
          shell.become(['/usr/bin/env', 'printf', '%s\\0', 'first', ...words], { cwd: '/', env }),
        )
        expect(seen.stdout.split('\0').slice(0, -1)).toEqual(['first', ...words])
        const other = waiting(shell)
        const variables = (await ended(other.become(['env', '-0'], { cwd: '/', env }))).stdout
        expect(variables.split('\0').sort()).toEqual(['', `PATH=${PATH}`, `SLUICE_VALUE=${value}`].sort())
      }),
      { numRuns: 60 },
    )
  })

  it('hands over every variable that it takes, whatever a shell may think of its name', async () => {
    const special = 'PATH IFS OPTIND PS1 PPID UID SHLVL RANDOM BASH_ENV CDPATH HOME LC_ALL ENV TERM a.b 1a é _'.split(
      ' ',
    )
    const name = fc.oneof(fc.constantFrom(...special), fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,9}$/))
    const shell = new WaitingShell()
    let became = 0
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, fc.string({ maxLength: 9 })), async (more) => {
        const env = { PATH, ...more }
        if (Object.values(env).some((value) => value.includes('\0'))) return
        const child = waiting(shell).become(['/usr/bin/env', '-0'], { cwd: '/', env })
        if (child === null) return
        became += 1
        const seen = (await ended(child)).stdout.split('\0').slice(0, -1)
        expect(seen.sort()).toEqual(
          Object.entries(env)
            .map(([key, value]) => `${key}=${value}`)
            .sort(),
        )
      }),
      { numRuns: 80 },
    )
    expect(became).toBeGreaterThan(20)
  })

  it.each([
    ['a script', () => [executable('#!/nowhere/interpreter\n')], START],
    ['what is not there', () => ['no-such-program'], START],
    ['what may not be executed', () => [project.write('plain', 'text')], START],
    ['a name that the shell would take for an option', () => ['-x'], START],
    ['no name', () => [''], START],
    ['a NUL', () => ['true', 'a\0b'], START],
    ['a folder that is not there', () => ['true'], { ...START, cwd: '/no/such/folder' }],
    ['a variable that a shell keeps to itself', () => ['true'], { ...START, env: { PATH, OPTIND: 'x' } }],
    ['a variable that a shell has no word for', () => ['true'], { ...START, env: { PATH, 'a.b': 'x' } }],
    ['no PATH', () => ['true'], { ...START, env: {} }],
    ['more than the socket holds', () => ['true', 'x'.repeat(70_000)], START],
  ])('does not become %s, and goes on waiting', async (_, argv, start) => {
    const shell = waiting()
    const pid = shell.pid
    expect(shell.become(argv(), start as typeof START)).toBeNull()
    expect(shell.pid).toBe(pid)
    expect((await ended(shell.become(['echo', 'still there'], START))).stdout).toBe('still there\n')
  })

  it('is looked up by PATH in its folder, as Node does', async () => {
    const folder = project.dags
    symlinkSync('/usr/bin/printf', join(folder, 'linked'))
    const shell = waiting()
    const seen = await ended(shell.become(['linked', 'found'], { cwd: folder, env: { PATH: '.:/usr/bin' } }))
    expect(seen).toMatchObject({ stdout: 'found', code: 0 })
  })

  it('is forgotten when somebody ends it', async () => {
    const shell = waiting()
    const { pid } = shell
    if (pid === undefined) throw new Error('no shell waits')
    process.kill(pid, 'SIGKILL')
    await eventually('it is forgotten', () => shell.pid === undefined)
    expect(shell.become(['true'], START)).toBeNull()
  })

  it('ends when it is sent away', async () => {
    const shell = waiting()
    const { pid } = shell
    shell.dismiss()
    expect(shell.pid).toBeUndefined()
    await eventually('it ends', () => !isThere(pid))
  })

  it('costs nothing where the system can start no more processes', async () => {
    const module = JSON.stringify(processEntry('operators/process/waiting-shell.js'))
    const code = `const fs = require('node:fs')
      import(${module}).then(({ WaitingShell }) => {
        const shell = new WaitingShell()
        shell.become(['true'], { cwd: '/', env: { PATH: '${PATH}' } })
        const open = []
        try { for (;;) open.push(fs.openSync('/dev/null')) } catch {}
        shell.prepare()
        const without = shell.pid
        setImmediate(() => {
          for (const file of open) fs.closeSync(file)
          shell.prepare()
          console.log(without, typeof shell.pid)
          shell.dismiss()
        })
      })`
    const limited = ['-c', 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, code]
    const seen = await ended(spawn('/bin/sh', limited, { stdio: ['ignore', 'pipe', 'pipe'] }))
    expect(seen).toEqual({ stdout: 'undefined number\n', stderr: '', code: 0 })
  })

  it('ends with the process that made it, however that ends', async () => {
    const module = JSON.stringify(processEntry('operators/process/waiting-shell.js'))
    const code = `import(${module}).then(({ WaitingShell }) => {
      const shell = new WaitingShell()
      const start = { cwd: '/', env: { PATH: '${PATH}' } }
      shell.become(['true'], start)
      shell.prepare()
      console.log(shell.pid)
      setTimeout(() => process.exit(), 60_000)
    })`
    const maker = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(maker.stdout, 'data')) as [Buffer]
    const pid = Number(line)
    expect(isThere(pid)).toBe(true)
    maker.kill('SIGKILL')
    await eventually('it ends', () => !isThere(pid))
  })
})

describe('runProcess with a shell waiting', () => {
  it('reads the output of the program and reports its end', async () => {
    waiting(waitingShell)
    const { pid } = waitingShell
    const ctx = project.context()
    const { cwd, env } = START
    const options = { cwd, env, signal: ctx.signal, log: ctx.log, logDrained: ctx.logDrained }
    const end = await runProcess(['/bin/sh', '-c', 'echo out $$; echo err >&2; exit 3'], options)
    expect(end).toMatchObject({ exitCode: 3, signal: null, stderrTail: ['err'] })
    expect(ctx.lines).toContain(`info out ${pid}`)
    expect(waitingShell.pid).toBeUndefined()
  })

  it('ends the whole tree on an abort', async () => {
    waiting(waitingShell)
    const ctx = project.context()
    const env = { PATH, SLUICE_RUN: 'this-tree' }
    const options = { cwd: '/', env, signal: ctx.signal, log: ctx.log, logDrained: ctx.logDrained }
    const running = runProcess(['/bin/sh', '-c', 'sleep 60 & setsid sleep 61 & echo up; wait'], options)
    await eventually('it is up', () => ctx.lines.includes('info up'))
    ctx.controller.abort(new SluiceError('CANCELLED', 'Cancelled by ada.'))
    expect(await failureOf(running)).toMatchObject({ code: 'CANCELLED' })
    expect(processesWith('SLUICE_RUN=this-tree')).toEqual([])
  })
})

function executable(content: string): string {
  const path = project.write('script', content)
  chmodSync(path, 0o755)
  return path
}
