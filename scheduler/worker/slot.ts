import { codeOf, SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import { operators } from '../../operators/index.js'
import { processesWith } from '../../operators/process/process-group.js'
import { waitingShell } from '../../operators/process/run-process.js'
import type { LeftWorkKey } from '../store/left-work-store.js'
import type { EarlierAttempt } from '../store/store.js'
import type { DueLook } from '../store/wait-store.js'
import { endLeft } from './end-left.js'
import type { LogStore } from './log-store.js'
import { type LookSurroundings, lookAtAll } from './look-at.js'
import { openLogStore } from './open-log-store.js'
import type { Assignment, FromSlot, LeftAssignment, SlotConfig, ToSlot } from './protocol.js'
import { runAttempt } from './run-attempt.js'
import { SlotTables } from './slot-tables.js'
import { CLAIM_MARKER } from './task-environment.js'
import { WorkFolders } from './work-folder.js'

/** After an attempt the scheduler decides on another core; preparing meanwhile would take it from the store. */
const PREPARE_MS = 1

/**
 * A slot: the process in which operators run. It does what its supervisor says and knows nothing of the store, so that a
 * task which crashes, leaks or blocks takes nothing else with it.
 */
class Slot {
  readonly #attempts = new Map<string, RunningAttempt>()
  #config: SlotConfig | null = null
  readonly #tables = new SlotTables()
  #logs: LogStore | null = null
  #work: WorkFolders | null = null

  receive(message: ToSlot): void {
    if (message.kind === 'configure') this.#configure(message.config)
    else if (message.kind === 'run') this.#run(message.assignment)
    else if (message.kind === 'look') void this.#look(message.token, message.looks)
    else if (message.kind === 'end') void this.#end(message.token, message.left)
    else if (message.kind === 'stop')
      this.#attempts.get(message.claimToken)?.stop(new SluiceError(message.code, message.message))
    else if (message.kind === 'done_before') this.#attempts.get(message.claimToken)?.earlierFound(message.earlier)
    else this.#attempts.get(message.claimToken)?.handleSaved(message.handle, message.failure)
  }

  /** The supervisor is gone: nobody waits for these attempts, and nothing of them may go on. */
  abandon(): never {
    for (const claimToken of this.#attempts.keys()) {
      for (const { pid } of processesWith(`${CLAIM_MARKER}=${claimToken}`)) kill(pid)
    }
    // ends the process groups of running programs too (run-process.ts)
    process.exit(0)
  }

  #configure(config: SlotConfig): void {
    this.#config = config
    void this.#logsOf(config).warm()
    void this.#workOf(config).prepare()
  }

  #logsOf(config: SlotConfig): LogStore {
    this.#logs ??= openLogStore(config)
    return this.#logs
  }

  #workOf(config: SlotConfig): WorkFolders {
    this.#work ??= new WorkFolders(config.work)
    return this.#work
  }

  #run(assignment: Assignment): void {
    const config = this.#configured()
    const { claimToken } = assignment.claim
    const attempt = new RunningAttempt(claimToken)
    this.#attempts.set(claimToken, attempt)
    const around = {
      config,
      operators,
      logs: this.#logsOf(config),
      work: this.#workOf(config),
      tables: this.#tables,
      env: process.env,
      now: () => Date.now(),
    }
    void runAttempt(assignment, attempt, attempt.signal, around).then((end) => {
      this.#attempts.delete(claimToken)
      say({ kind: 'done', claimToken, ...end, memory: process.memoryUsage.rss() })
      setTimeout(() => this.#prepareNext(), PREPARE_MS)
    })
  }

  /** While there is nothing to do; among many attempts it would only take the time of others. */
  #prepareNext(): void {
    if (this.#attempts.size === 0 && process.connected) waitingShell.prepare()
  }

  async #look(token: string, looks: DueLook[]): Promise<void> {
    const results = await lookAtAll(looks, this.#around())
    say({ kind: 'looked', token, results, memory: process.memoryUsage.rss() })
  }

  async #end(token: string, left: LeftAssignment): Promise<void> {
    const end = await endLeft(left, this.#around())
    say({ kind: 'ended', token, end, memory: process.memoryUsage.rss() })
  }

  #around(): LookSurroundings {
    const config = this.#configured()
    return { config, operators, tables: this.#tables, env: process.env, now: () => Date.now() }
  }

  #configured(): SlotConfig {
    if (this.#config === null) throw new Error('a slot was given work before its configuration')
    return this.#config
  }
}

class RunningAttempt {
  readonly #claimToken: string
  readonly #controller = new AbortController()
  readonly #handles = new Map<number, { saved(): void; refused(error: Error): void }>()
  #lastHandle = 0
  #earlierFound: (earlier: EarlierAttempt | null) => void = () => undefined

  constructor(claimToken: string) {
    this.#claimToken = claimToken
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  stop(reason: SluiceError): void {
    this.#controller.abort(reason)
  }

  readonly logged = (lines: number): void => say({ kind: 'logged', claimToken: this.#claimToken, lines })

  readonly progress = (progress: JsonObject): void => say({ kind: 'progress', claimToken: this.#claimToken, progress })

  /** asked at most once */
  readonly doneBefore = (inputKey: string): Promise<EarlierAttempt | null> =>
    new Promise((resolve) => {
      this.#earlierFound = resolve
      say({ kind: 'done_before', claimToken: this.#claimToken, inputKey })
    })

  readonly leftEnded = ({ runId, taskId, attempt }: LeftWorkKey): void =>
    say({ kind: 'left_ended', claimToken: this.#claimToken, work: { runId, taskId, attempt } })

  earlierFound(earlier: EarlierAttempt | null): void {
    this.#earlierFound(earlier)
  }

  readonly saveHandle = (value: Json): Promise<void> => {
    this.#lastHandle += 1
    const handle = this.#lastHandle
    return new Promise((resolve, reject) => {
      this.#handles.set(handle, { saved: resolve, refused: reject })
      say({ kind: 'handle', claimToken: this.#claimToken, handle, value })
    })
  }

  handleSaved(handle: number, failure: string | null): void {
    const waiting = this.#handles.get(handle)
    this.#handles.delete(handle)
    if (failure === null) waiting?.saved()
    else waiting?.refused(new SluiceError('OPERATOR_FAILED', failure))
  }
}

function say(message: FromSlot): void {
  // once the supervisor is gone nobody listens; `disconnect` ends the process
  if (process.connected) process.send?.(message)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error
  }
}

const slot = new Slot()
process.on('message', (message) => slot.receive(message as ToSlot))
process.on('disconnect', () => slot.abandon())
// the supervisor may have gone while this process was still starting; work that it had sent must not begin
if (!process.connected) slot.abandon()
// A terminal and a service manager signal the whole group; when a slot ends is the supervisor's decision.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => undefined)
