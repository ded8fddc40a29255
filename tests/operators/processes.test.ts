import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import { MAX_LINE_BYTES } from '../../operators/process/log-lines.js'
import { type ProcessOptions, runProcess } from '../../operators/process/run-process.js'
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
const STAY = 'setInterval(() => {}, 1000)'
const START_STAYING = (name: string, options: string) => `
  const { spawn } = require('node:child_process')
  const child = spawn(process.execPath, ['-e', ${JSON.stringify(STAY)}], ${options})
  console.log('${name}=' + child.pid)`

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

  it('starts nothing after an abort', async () => {
    const ctx = project.context()
    ctx.controller.abort(CANCELLED)
    expect(await failureOf(node(`require('node:fs').writeFileSync('ran', '')`, ctx))).toBe(CANCELLED)
    expect(() => readFileSync(join(ctx.workDir, 'ran'))).toThrow(/ENOENT/)
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
    ['a grandchild', `{ stdio: 'inherit' }`],
    ['a grandchild that left the group and its streams', `{ stdio: 'ignore', detached: true }`],
  ])('takes %s with it at an abort', async (_, options) => {
    const ctx = project.context()
    const run = node(`${START_STAYING('grandchild', options)}; ${STAY}`, ctx, { graceMs: 200 })
    await eventually('the grandchild is up', () => pidOf('grandchild', ctx) > 0)
    ctx.controller.abort(CANCELLED)
    expect(await failureOf(run)).toBe(CANCELLED)
    await eventually('the grandchild has ended', () => !isRunning(pidOf('grandchild', ctx)))
  })

  it('takes a daemon whose parent has ended with it at an abort', async () => {
    const ctx = project.context()
    const middle = `${START_STAYING('daemon', `{ stdio: 'ignore', detached: true }`)}; process.exit(0)`
    const run = node(
      `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(middle)}],
      { stdio: 'inherit', detached: true }); ${STAY}`,
      ctx,
      { graceMs: 200 },
    )
    await eventually('the daemon is up', () => pidOf('daemon', ctx) > 0)
    ctx.controller.abort(CANCELLED)
    expect(await failureOf(run)).toBe(CANCELLED)
    await eventually('the daemon has ended', () => !isRunning(pidOf('daemon', ctx)))
  })

  it('ends what a program leaves in its group, and says so', async () => {
    const ctx = project.context()
    const end = await node(`${START_STAYING('left', `{ stdio: 'inherit' }`)}; process.exit(0)`, ctx)
    expect(end.exitCode).toBe(0)
    expect(isRunning(pidOf('left', ctx))).toBe(false)
    expect(ctx.lines.join('\n')).toMatch(/has ended but left 1 running: node \(pid \d+\)/)
  })

  it('does not wait for a detached program that holds the streams', async () => {
    const ctx = project.context()
    await node(`${START_STAYING('detached', `{ stdio: 'inherit', detached: true }`)}; process.exit(0)`, ctx)
    const pid = pidOf('detached', ctx)
    expect(isRunning(pid)).toBe(true)
    process.kill(pid, 'SIGKILL')
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
    await node(`process.stdout.write('é'.repeat(50_000))`, ctx)
    const pieces = ctx.lines.map((line) => line.slice('info '.length))
    expect(pieces.join('')).toBe('é'.repeat(50_000))
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

  it('reads everything that was written before the end, however slow the log is', async () => {
    const ctx = project.context({}, { logDrained: () => new Promise((resolve) => setTimeout(resolve, 150)) })
    await node(
      `process.stdout.write('x'.repeat(199) + '\\n', () => process.stdout.write(('y'.repeat(199) + '\\n').repeat(1000)))`,
      ctx,
    )
    expect(ctx.lines.length).toBe(1001)
  })
})
