import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { SluiceError } from '../../errors.js'
import { MAX_LINE_BYTES } from '../../operators/process/log-lines.js'
import { signalGroup } from '../../operators/process/process-group.js'
import { type ProcessOptions, runProcess } from '../../operators/process/run-process.js'
import { processEntry } from '../../package-root.js'
import { eventually, failureOf, type TestContext, TestProject } from './operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

/** Runs JavaScript in a process of its own. */
function node(script: string, ctx: TestContext, options: Partial<ProcessOptions> = {}) {
  return runProcess([process.execPath, '-e', script], {
    cwd: ctx.workDir,
    env: ctx.env,
    signal: ctx.signal,
    log: ctx.log,
    logDrained: ctx.logDrained,
    ...options,
  })
}

/** Where nothing reaps orphans they stay as zombies, which run no more. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

/** The pid that a script logged as `name=pid`. */
function pidOf(name: string, ctx: TestContext): number {
  return Number(ctx.lines.find((line) => line.includes(`${name}=`))?.split('=')[1])
}

const CANCELLED = new SluiceError('CANCELLED', 'Cancelled by ada.')
/** Longer than any test, yet not for ever: what a failing test leaves behind goes by itself. */
const STAY = 'setTimeout(() => process.exit(), 60_000)'
const STUBBORN = `process.on('SIGTERM', () => {}); process.send('up'); ${STAY}`

/** Starts a process that ignores TERM, logs `name=pid` once it does, and then runs `then`. */
const START_STUBBORN = (name: string, options: { stdio: 'inherit' | 'ignore'; detached: boolean }, then = '') => `
  const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(STUBBORN)}],
    { detached: ${options.detached}, stdio: [${`'${options.stdio}',`.repeat(3)} 'ipc'] })
  child.once('message', () => { console.log('${name}=' + child.pid); ${then} })`

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

/** An executable file. */
function script(text: string): string {
  const path = project.write('script', text)
  chmodSync(path, 0o755)
  return path
}

describe('runProcess', () => {
  it('reports the exit code and logs both streams line by line', async () => {
    const ctx = project.context()
    const end = await node(
      `console.log('a\\nb'); console.error('c'); process.stdout.write('d'); process.exitCode = 3`,
      ctx,
    )
    expect(end).toEqual({ exitCode: 3, signal: null, stderrTail: ['c'] })
    expect(ctx.lines.filter((line) => line.startsWith('info'))).toEqual(['info a', 'info b', 'info d'])
    expect(ctx.lines).toContain('warn c')
  })

  it('passes arguments as they are, without a shell', async () => {
    const ctx = project.context()
    const argv = [process.execPath, '-e', 'console.log(process.argv[1])', '$(id); `id` "$HOME" *']
    await runProcess(argv, { cwd: ctx.workDir, ...ctx })
    expect(ctx.lines).toEqual(['info $(id); `id` "$HOME" *'])
  })

  it('gives the program no variable of its own process', async () => {
    process.env.SLUICE_TEST_LEAK = 'leak'
    const ctx = project.context()
    await node('console.log(String(process.env.SLUICE_TEST_LEAK))', ctx).finally(() => {
      delete process.env.SLUICE_TEST_LEAK
    })
    expect(ctx.lines).toEqual(['info undefined'])
  })

  it.each([
    ['no-such-program-7', 'PROGRAM_MISSING', /no-such-program-7 is not on this worker's PATH/],
    ['/nowhere/python', 'PROGRAM_MISSING', /\/nowhere\/python does not exist/],
    [script('#!/no/such/python\n'), 'PROGRAM_MISSING', /script names a program in its first line \(#!\) that is not/],
    [
      project.write('notes.txt', 'no program'),
      'PROGRAM_MISSING',
      /notes.txt may not be executed .* not an executable file/,
    ],
  ])('names the missing program %s', async (program, code, message) => {
    const ctx = project.context()
    const error = await failureOf(runProcess([program], { cwd: ctx.workDir, ...ctx }))
    expect(error).toMatchObject({ code, retryable: false })
    expect(error.message).toMatch(message)
  })

  it('tells a missing working folder from a missing program', async () => {
    const ctx = project.context()
    const error = await failureOf(node('', ctx, { cwd: join(ctx.workDir, 'gone') }))
    expect(error.message).toMatch(/working folder .*gone does not exist/)
  })

  it('refuses what the system cannot pass on', async () => {
    const ctx = project.context()
    const options = { cwd: ctx.workDir, ...ctx }
    expect((await failureOf(runProcess(['true', 'a\0b'], options))).message).toMatch(/NUL/)
    expect((await failureOf(runProcess(['true', 'x'.repeat(4_000_000)], options))).message).toMatch(/longer than/)
    expect(await failureOf(runProcess([], options))).toMatchObject({ code: 'PROGRAM_MISSING' })
  })

  it('says what a machine is short of that can start no more', async () => {
    const ctx = project.context()
    const module = JSON.stringify(processEntry('operators/process/run-process.js'))
    const options = `{ cwd: '/', env: {}, signal: new AbortController().signal, log() {}, logDrained: async () => {} }`
    const code = `const fs = require('node:fs')
      import(${module}).then(async ({ runProcess }) => {
        try { for (;;) fs.openSync('/dev/null') } catch {}
        await runProcess(['/bin/true'], ${options}).catch(({ code, message }) => fs.writeSync(1, code + ' ' + message))
      })`
    await runProcess(['/bin/sh', '-c', 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, code], {
      ...{ cwd: ctx.workDir, env: ctx.env, signal: ctx.signal, log: ctx.log, logDrained: ctx.logDrained },
    })
    expect(ctx.lines.join()).toContain(
      "OPERATOR_FAILED /bin/true cannot be started: this worker's machine is short of files, processes or memory (EMFILE).",
    )
  })

  it('starts nothing after an abort', async () => {
    const ctx = project.context()
    ctx.controller.abort(CANCELLED)
    expect(await failureOf(node(STAY, ctx))).toBe(CANCELLED)
    // A program that had been started would have to be ended, which is logged.
    expect(ctx.lines).toEqual([])
  })

  it('reports a signal', async () => {
    const ctx = project.context()
    expect(await node(`process.kill(process.pid, 'SIGKILL')`, ctx)).toMatchObject({ exitCode: null, signal: 'SIGKILL' })
  })
})

describe('the process tree', () => {
  it('ends with TERM at an abort, so that a program can tidy up', async () => {
    const ctx = project.context()
    const run = node(
      `process.on('SIGTERM', () => { console.log('tidy'); process.exit(0) }); console.log('up'); ${STAY}`,
      ctx,
    )
    await eventually('the program is up', () => ctx.lines.includes('info up'))
    ctx.controller.abort(CANCELLED)
    expect(await failureOf(run)).toBe(CANCELLED)
    expect(ctx.lines).toContain('info tidy')
  })

  it('ends with KILL when TERM is ignored', async () => {
    const ctx = project.context()
    const run = node(
      `process.on('SIGTERM', () => console.log('no')); console.log('pid=' + process.pid); ${STAY}`,
      ctx,
      {
        graceMs: 100,
      },
    )
    await eventually('the program is up', () => pidOf('pid', ctx) > 0)
    ctx.controller.abort(CANCELLED)
    expect(await failureOf(run)).toBe(CANCELLED)
    expect(ctx.lines).toContain('info no')
    expect(isRunning(pidOf('pid', ctx))).toBe(false)
  })

  it.each([
    ['a grandchild', { stdio: 'inherit', detached: false }],
    ['a grandchild that left the group and its streams', { stdio: 'ignore', detached: true }],
  ] as const)('takes %s with it at an abort', async (_, options) => {
    const ctx = project.context()
    const run = node(`${START_STUBBORN('grandchild', options)}; ${STAY}`, ctx, { graceMs: 100 })
    await eventually('the grandchild is up', () => pidOf('grandchild', ctx) > 0)
    ctx.controller.abort(CANCELLED)
    expect(await failureOf(run)).toBe(CANCELLED)
    expect(isRunning(pidOf('grandchild', ctx))).toBe(false)
  })

  it('takes a daemon whose parent has ended with it at an abort', async () => {
    const ctx = project.context()
    const middle = START_STUBBORN('daemon', { stdio: 'ignore', detached: true }, 'process.exit(0)')
    const run = node(
      `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(middle)}],
      { stdio: 'inherit', detached: true }); ${STAY}`,
      ctx,
      { graceMs: 100 },
    )
    await eventually('the daemon is up', () => pidOf('daemon', ctx) > 0)
    ctx.controller.abort(CANCELLED)
    expect(await failureOf(run)).toBe(CANCELLED)
    expect(isRunning(pidOf('daemon', ctx))).toBe(false)
  })

  it('ends what a program leaves in its group, and says so', async () => {
    const ctx = project.context()
    const left = START_STUBBORN('left', { stdio: 'inherit', detached: false }, 'process.exit(0)')
    const end = await node(left, ctx, { graceMs: 100 })
    expect(end.exitCode).toBe(0)
    expect(isRunning(pidOf('left', ctx))).toBe(false)
    expect(ctx.lines.join('\n')).toMatch(/has ended but left 1 running: node \(pid \d+\)/)
  })

  it.each([
    ['silently', ''],
    ['and keeps talking', `setInterval(() => console.log('still here'), 20);`],
  ])('does not wait for a detached program that holds the streams %s', async (_, talk) => {
    const ctx = project.context()
    const script = JSON.stringify(
      `process.on('SIGPIPE', () => {}); process.stdout.on('error', () => {}); ${talk} ${STAY}`,
    )
    const start = `require('node:child_process').spawn(process.execPath, ['-e', ${script}], { detached: true, stdio: 'inherit' })`
    await node(`console.log('detached=' + ${start}.pid); process.exit(0)`, ctx)
    const pid = pidOf('detached', ctx)
    expect(isRunning(pid)).toBe(true)
    process.kill(pid, 'SIGKILL')
  })

  it('counts no zombie: where nothing reaps orphans they never go', async () => {
    const ctx = project.context()
    // The sleep becomes the parent of one that it never waits for, and leaves the group; the zombie stays in it.
    const script = `(sleep 0.2 & echo $! > pid; exec setsid sleep 8) >/dev/null 2>&1 &
      until grep -q ') Z ' /proc/"$(cat pid 2>/dev/null)"/stat 2>/dev/null; do sleep 0.01; done`
    await runProcess(['bash', '-c', script], { cwd: ctx.workDir, ...ctx })
    expect(ctx.lines).toEqual([])
    process.kill(parentOf(Number(readFileSync(join(ctx.workDir, 'pid'), 'utf8'))), 'SIGKILL')
  })

  it('takes a group that belongs to another user for alive', () => {
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
    })
    expect(signalGroup(4711, 0)).toBe(true)
    kill.mockRestore()
  })

  it('ends with its own process, however that ends', async () => {
    const ctx = project.context()
    const module = JSON.stringify(processEntry('operators/process/run-process.js'))
    const script = `import(${module}).then(({ runProcess }) => runProcess([process.execPath, '-e', ${JSON.stringify(STAY)}], {
      cwd: '.', env: process.env, signal: new AbortController().signal, log() {}, logDrained: async () => {} }))
      const children = '/proc/self/task/' + process.pid + '/children'
      const look = () => {
        const pid = require('node:fs').readFileSync(children, 'utf8').trim()
        if (pid === '') return setTimeout(look, 5)
        console.log('child=' + pid)
        throw new Error('a defect')
      }
      look()`
    expect((await node(script, ctx)).exitCode).toBe(1)
    await eventually('the child has ended', () => !isRunning(pidOf('child', ctx)))
  })
})

describe('the output of a program', () => {
  it('shows what is not text', async () => {
    const ctx = project.context()
    await node(`process.stdout.write(Buffer.from([0x61, 0xff, 0xc3, 0xa9, 0xc3, 0x00, 0x0a, 0xe2, 0x82]))`, ctx)
    expect(ctx.lines).toEqual(['info a\\xffé\\xc3\\x00', 'info \\xe2\\x82'])
  })

  it('takes each step of a progress bar as a line', async () => {
    const ctx = project.context()
    await node(`process.stdout.write('10%\\r20%\\r\\n'); setTimeout(() => process.stdout.write('\\n30%\\r'), 5)`, ctx)
    expect(ctx.lines).toEqual(['info 10%', 'info 20%', 'info ', 'info 30%'])
  })

  it('cuts a line without end into pieces and loses nothing', async () => {
    const ctx = project.context()
    await node(`process.stdout.write('x' + 'é'.repeat(50_000))`, ctx)
    const pieces = ctx.lines.map((line) => line.slice('info '.length))
    expect(pieces.join('')).toBe(`x${'é'.repeat(50_000)}`)
    expect(Math.max(...pieces.map((piece) => Buffer.byteLength(piece)))).toBeLessThanOrEqual(MAX_LINE_BYTES)
  })

  it('lets 100 MB wait for the log instead of holding them', async () => {
    let logged = 0
    let behind = 0
    let most = 0
    const ctx = project.context({}, {})
    const end = await node(
      `const line = 'x'.repeat(999) + '\\n'; let left = 100_000
       const go = () => { while (left-- > 0) if (!process.stdout.write(line)) return process.stdout.once('drain', go) }; go()`,
      ctx,
      {
        log: (_, message) => {
          logged += message.length + 1
          behind += message.length
          most = Math.max(most, behind)
        },
        // A log that takes what it has only at the next turn of the event loop.
        logDrained: () =>
          new Promise((resolve) =>
            setImmediate(() => {
              behind = 0
              resolve()
            }),
          ),
      },
    )
    expect(end.exitCode).toBe(0)
    expect(logged).toBe(100_000_000)
    expect(most).toBeLessThan(1_000_000)
  })

  it('is read no faster than the log takes it', async () => {
    let behind = 0
    let most = 0
    const ctx = project.context()
    await node(`process.stdout.write(('x'.repeat(999) + '\\n').repeat(5_000))`, ctx, {
      log: (_, message) => {
        behind += message.length
        most = Math.max(most, behind)
      },
      logDrained: () =>
        new Promise((resolve) =>
          setTimeout(() => {
            behind = 0
            resolve()
          }, 5),
        ),
    })
    expect(most).toBeLessThan(200_000)
  })

  it('leaves the last lines of stderr for the reason, not all of it', async () => {
    const end = await node(`for (let i = 0; i < 1000; i++) console.error(i)`, project.context())
    expect(end.stderrTail).toEqual(Array.from({ length: 50 }, (_, i) => String(950 + i)))
  })

  it('reads everything that was written before the end, however slow the log is', async () => {
    const ctx = project.context({}, { logDrained: () => new Promise((resolve) => setTimeout(resolve, 400)) })
    await node(
      `process.stdout.write('x'.repeat(199) + '\\n', () => process.stdout.write(('y'.repeat(199) + '\\n').repeat(1000)))`,
      ctx,
    )
    expect(ctx.lines.length).toBe(1001)
  })
})
