import { type ChildProcess, fork } from 'node:child_process'
import { processEntry } from '../../package-root.js'
import type { FromSlot, SlotConfig, ToSlot } from './protocol.js'
import { INSTANCE_MARKER } from './task-environment.js'

/** What a dying process says last is at the end of its stderr. */
const STDERR_BYTES = 8 * 1024
/** An idle slot that does not end by itself within this is killed. */
const END_MS = 1_000

export interface SlotListener {
  message(slot: SlotProcess, message: FromSlot): void
  /** the process has ended and everything it said has been heard */
  ended(slot: SlotProcess, reason: string): void
}

/** One slot as its supervisor sees it: a child process and the attempts it was given. */
export class SlotProcess {
  /** claim tokens of the attempts it runs */
  readonly attempts = new Set<string>()
  /** a heavy attempt has it for itself */
  heavy = false
  /** it gets no more attempts and goes when its last one has ended */
  retiring = false
  /** resident memory when an attempt last ended, in bytes; 0 before */
  memory = 0
  readonly #child: ChildProcess
  /** resolves once the listener has been told of the end */
  readonly #gone: Promise<void>
  #stderr = ''
  #ended = false

  constructor(config: SlotConfig, instance: string, listener: SlotListener) {
    this.#child = fork(processEntry('scheduler/worker/slot.js'), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, [INSTANCE_MARKER]: instance },
      // what the parent was started with (inspectors, loaders of tests) is not for slots
      execArgv: [],
    })
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_BYTES)
    })
    this.#child.on('message', (message) => listener.message(this, message as FromSlot))
    this.#gone = new Promise((resolve) => {
      this.#listenToEnd((reason) => {
        listener.ended(this, reason)
        resolve()
      })
    })
    this.send({ kind: 'configure', config })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get idle(): boolean {
    return this.attempts.size === 0
  }

  /** what the process has written to stderr last */
  get stderr(): string {
    return this.#stderr.trim()
  }

  send(message: ToSlot): void {
    // a failure to send is the end of the process, which is heard of by itself
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Ends an idle slot; resolves when its process is gone. */
  async end(): Promise<void> {
    this.retiring = true
    if (this.#ended) return
    if (this.#child.connected) this.#child.disconnect()
    const timer = setTimeout(() => this.kill(), END_MS)
    await this.#gone
    clearTimeout(timer)
  }

  #listenToEnd(ended: (reason: string) => void): void {
    let why = ''
    const child = this.#child
    const settle = () => {
      if (this.#ended || why === '' || child.connected) return
      this.#ended = true
      // messages that were read with the end of the channel come first
      setImmediate(() => ended(why))
    }
    child.once('exit', (code, signal) => {
      why = endReason(code, signal, this.#stderr)
      settle()
    })
    child.once('disconnect', settle)
    child.once('error', (error) => {
      // neither started nor killable: there is no other event to wait for
      if (child.pid !== undefined) return
      why = `the slot process cannot be started: ${error.message}`
      this.#ended = true
      ended(why)
    })
  }
}

/** The true reason, as far as the system tells it. */
function endReason(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  if (/heap out of memory/.test(stderr)) return 'slot process ran out of memory (JavaScript heap)'
  if (signal === 'SIGKILL') return 'slot process was killed by SIGKILL'
  if (signal !== null) return `slot process crashed with ${signal}`
  return `slot process ended with exit code ${code}`
}
