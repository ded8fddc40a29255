import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { codeOf, SluiceError } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { LogLines } from './log-lines.js'
import { endTree, groupMembers, signalGroup } from './process-group.js'
import { WaitingShell } from './waiting-shell.js'

/** Set in the environment of every process Sluice starts, with a value of its own for each; children inherit it. */
const PROCESS_MARKER = 'SLUICE_PROCESS'
/** How many of the last lines of stderr are kept for the reason of a failure. */
const TAIL_LINES = 50
/** After the end of the program its streams are read until they fall silent for this long. */
const SILENCE_MS = 250
const MAX_DRAIN_MS = 2_000
const DRAIN_TICK_MS = 50

export interface ProcessOptions {
  cwd: string
  env: Record<string, string>
  signal: AbortSignal
  log: OperatorContext['log']
  logDrained: OperatorContext['logDrained']
  /** grace between TERM and KILL */
  graceMs?: number
}

export interface ProcessEnd {
  /** null when a signal ended the program */
  exitCode: number | null
  signal: NodeJS.Signals | null
  /** the last lines of stderr, oldest first */
  stderrTail: string[]
}

/** Makes the start of this process's next program quick; without it programs start all the same. */
export const waitingShell = new WaitingShell()

const running = new Set<number>()
process.on('exit', () => {
  for (const group of running) signalGroup(group, 'SIGKILL')
})

/**
 * Runs a program without a shell, in a process group of its own, its output going line by line into the log (stdout as
 * `info`, stderr as `warn`). Returns when the program has ended and nothing of its group is left: what it leaves running
 * in the background is ended with a line in the log (a program that wants to stay detaches with `setsid`). An abort ends
 * the whole tree, detached processes included: TERM, and KILL after a grace.
 *
 * @param argv program and arguments; the program is looked up in `PATH` of `options.env`
 * @throws SluiceError PROGRAM_MISSING; the signal's reason (CANCELLED, TIMED_OUT) after an abort
 */
export async function runProcess(argv: readonly string[], options: ProcessOptions): Promise<ProcessEnd> {
  options.signal.throwIfAborted()
  const id = randomUUID()
  const child = start(argv, options, id)
  // What `spawn` does not throw (a missing program) it emits a little later; `pid` is set at once or never.
  if (child.pid === undefined) throw startFailure(await emittedError(child), argv, options)
  const streams = new OutputStreams(child, options)
  const group = child.pid
  running.add(group)
  let ending: Promise<void> | null = null
  const abort = () => {
    options.log('warn', 'Ending the process tree: TERM, then KILL for what is left.')
    ending = endTree(group, `${PROCESS_MARKER}=${id}`, options.graceMs)
    // Awaited below; a failure must not count as unhandled before.
    ending.catch(() => undefined)
  }
  options.signal.addEventListener('abort', abort, { once: true })
  try {
    const end = await exited(child)
    await endStragglers(group, options)
    await streams.drained()
    await ending
    options.signal.throwIfAborted()
    return { ...end, stderrTail: streams.stderrTail }
  } finally {
    options.signal.removeEventListener('abort', abort)
    running.delete(group)
  }
}

function start(argv: readonly string[], options: ProcessOptions, id: string): ChildProcess {
  const [program, ...args] = argv
  if (program === undefined || program === '') {
    throw new SluiceError('PROGRAM_MISSING', 'The command names no program.', { retryable: false })
  }
  if (argv.some((word) => word.includes('\0'))) {
    throw new SluiceError('OPERATOR_FAILED', 'The command holds a NUL character, which no program can be given.', {
      retryable: false,
    })
  }
  const env = { ...options.env, [PROCESS_MARKER]: id }
  try {
    const become = waitingShell.become(argv, { cwd: options.cwd, env })
    if (become !== null) return become
    return spawn(program, args, {
      cwd: options.cwd,
      env,
      // A session and group of its own, so that a signal to the group reaches all of it and nothing else.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  } catch (error) {
    throw startFailure(error, argv, options)
  }
}

function emittedError(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('error', resolve))
}

function startFailure(error: unknown, argv: readonly string[], options: ProcessOptions): SluiceError {
  const program = argv[0] ?? ''
  if (statSync(options.cwd, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return new SluiceError('OPERATOR_FAILED', `The working folder ${options.cwd} does not exist.`, { cause: error })
  }
  const code = codeOf(error)
  if (code === 'ENOENT') {
    const message = `${program} ${whyNotFound(program, options)}.`
    return new SluiceError('PROGRAM_MISSING', message, { cause: error, retryable: false })
  }
  if (code === 'EACCES') {
    const message = `${program} may not be executed on this worker: it is not an executable file.`
    return new SluiceError('PROGRAM_MISSING', message, { cause: error, retryable: false })
  }
  if (code === 'E2BIG') {
    const message = `The arguments and the environment of ${program} are longer than the system allows; pass a file.`
    return new SluiceError('OPERATOR_FAILED', message, { cause: error, retryable: false })
  }
  if (/^(EMFILE|ENFILE|EAGAIN|ENOMEM)$/.test(code)) {
    const message = `${program} cannot be started: this worker's machine is short of files, processes or memory (${code}).`
    return new SluiceError('OPERATOR_FAILED', message, { cause: error })
  }
  return new SluiceError('OPERATOR_FAILED', `${program} cannot be started: ${String(error)}`, { cause: error })
}

function whyNotFound(program: string, options: ProcessOptions): string {
  if (!program.includes('/')) return `is not on this worker's PATH (${options.env.PATH ?? ''})`
  return existsSync(resolve(options.cwd, program))
    ? 'names a program in its first line (#!) that is not on this worker'
    : 'does not exist'
}

function exited(child: ChildProcess): Promise<Pick<ProcessEnd, 'exitCode' | 'signal'>> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }))
  })
}

async function endStragglers(group: number, options: ProcessOptions): Promise<void> {
  const left = groupMembers(group)
  if (left.length === 0) return
  if (!options.signal.aborted) {
    const names = left.map((p) => `${p.name} (pid ${p.pid})`).join(', ')
    options.log('warn', `The command has ended but left ${left.length} running: ${names}. Ending what it left.`)
  }
  await endTree(group, null, options.graceMs)
}

/** Both output streams of a program, read no faster than the log takes the lines. */
class OutputStreams {
  readonly stderrTail: string[] = []
  readonly #open = new Set<Readable>()
  #waitingForLog = 0
  #silentMs = 0
  #closed: () => void = () => undefined

  constructor(
    child: ChildProcess,
    private readonly options: ProcessOptions,
  ) {
    this.#read(child.stdout, (line) => options.log('info', line))
    this.#read(child.stderr, (line) => {
      options.log('warn', line)
      if (line.trim() === '') return
      this.stderrTail.push(line)
      if (this.stderrTail.length > TAIL_LINES) this.stderrTail.shift()
    })
  }

  /**
   * Resolves at the end of both streams. A process that left the group may hold them open for ever, so they are closed
   * once nothing comes any more, or after a bound; waiting for a slow log counts as neither.
   */
  async drained(): Promise<void> {
    if (this.#open.size === 0) return
    await new Promise<void>((resolve) => {
      let totalMs = 0
      const timer = setInterval(() => {
        if (this.#waitingForLog > 0) return
        totalMs += DRAIN_TICK_MS
        this.#silentMs += DRAIN_TICK_MS
        if (this.#silentMs >= SILENCE_MS || totalMs >= MAX_DRAIN_MS) for (const stream of this.#open) stream.destroy()
      }, DRAIN_TICK_MS)
      this.#closed = () => {
        clearInterval(timer)
        resolve()
      }
    })
  }

  #read(stream: Readable | null, emit: (line: string) => void): void {
    if (stream === null) return
    const lines = new LogLines(emit)
    this.#open.add(stream)
    stream.on('data', (chunk: Buffer) => {
      lines.push(chunk)
      stream.pause()
      this.#waitingForLog += 1
      this.options.logDrained().then(
        () => this.#goOn(stream),
        (error: Error) => stream.destroy(error),
      )
    })
    stream.once('error', (error) => {
      this.options.log('error', `The output of the program cannot be read: ${error.message}`)
    })
    stream.once('close', () => {
      lines.end()
      this.#open.delete(stream)
      if (this.#open.size === 0) this.#closed()
    })
  }

  #goOn(stream: Readable): void {
    this.#waitingForLog -= 1
    this.#silentMs = 0
    stream.resume()
  }
}
