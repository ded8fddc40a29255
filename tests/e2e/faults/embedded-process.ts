import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { processEntry } from '../../../package-root.js'
import type { Run, TaskRun } from '../../../scheduler/core/model.js'
import type { SqlRow } from '../../../scheduler/store/database.js'
import { eventually } from '../eventually.js'

export type Call =
  | { kind: 'trigger'; dag: string; key: string | null }
  | { kind: 'pause'; dag: string; reason: string }
  | { kind: 'resume'; dag: string }
  | { kind: 'cancel' | 'clear' | 'run' | 'tasks' | 'attempts'; run: string }
  | { kind: 'query'; sql: string }
  | { kind: 'slots' | 'memory' | 'close' }

export interface Answer {
  id: number
  value?: unknown
  error?: string
}

export interface AttemptSummary {
  task_id: string
  attempt: number
  result: string | null
  reason: string
  log_lines: number
  log_bytes: number
}

/** An embedded Sluice in a process of its own. */
export class EmbeddedProcess {
  readonly #child: ChildProcess
  readonly #calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  readonly #ready: Promise<unknown>
  #lastId = 0
  stderr = ''

  private constructor(project: string, workers: number) {
    this.#child = fork(processEntry('tests/e2e/faults/embedded-entry.js'), [project, String(workers)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
    })
    this.#ready = this.#answer(0)
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-20_000)
    })
    this.#child.on('message', (message) => this.#answered(message as Answer))
    this.#child.once('exit', (code, signal) => {
      for (const { reject } of this.#calls.values()) reject(new Error(`ended: ${code ?? signal}: ${this.stderr}`))
      this.#calls.clear()
    })
  }

  static async start(project: string, workers = 2): Promise<EmbeddedProcess> {
    const started = new EmbeddedProcess(project, workers)
    await started.#ready
    return started
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** @returns the run, once it is acknowledged; rejects when the process ends before */
  trigger(dag: string, key: string | null = null): Promise<string> {
    return this.#call({ kind: 'trigger', dag, key }) as Promise<string>
  }

  async cancel(run: string): Promise<void> {
    await this.#call({ kind: 'cancel', run })
  }

  /** The whole run again. */
  async clear(run: string): Promise<void> {
    await this.#call({ kind: 'clear', run })
  }

  async pause(dag: string, reason: string): Promise<void> {
    await this.#call({ kind: 'pause', dag, reason })
  }

  async resume(dag: string): Promise<void> {
    await this.#call({ kind: 'resume', dag })
  }

  /** A statement of the store itself. */
  query<Row extends SqlRow = SqlRow>(sql: string): Promise<Row[]> {
    return this.#call({ kind: 'query', sql }) as Promise<Row[]>
  }

  run(run: string): Promise<Run | null> {
    return this.#call({ kind: 'run', run }) as Promise<Run | null>
  }

  async tasks(run: string): Promise<Record<string, TaskRun>> {
    const tasks = (await this.#call({ kind: 'tasks', run })) as TaskRun[]
    return Object.fromEntries(tasks.map((task) => [task.taskId, task]))
  }

  attempts(run: string): Promise<AttemptSummary[]> {
    return this.#call({ kind: 'attempts', run }) as Promise<AttemptSummary[]>
  }

  slots(): Promise<number[]> {
    return this.#call({ kind: 'slots' }) as Promise<number[]>
  }

  /** resident memory of the main process in bytes */
  memory(): Promise<number> {
    return this.#call({ kind: 'memory' }) as Promise<number>
  }

  /** Waits for the end of a run. @returns its state */
  finished(run: string, withinMs = 60_000): Promise<string> {
    return eventually(withinMs, async () => {
      const found = await this.run(run)
      if (found === null) throw new Error(`${run} is lost`)
      return found.endedAt === null ? null : found.state
    })
  }

  /** Waits until a task is in a state. */
  async reaches(run: string, task: string, state: string): Promise<void> {
    await eventually(20_000, async () => ((await this.tasks(run))[task]?.state === state ? true : null))
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    await this.#call({ kind: 'close' })
    await this.kill()
  }

  #call(call: Call): Promise<unknown> {
    this.#lastId += 1
    const answer = this.#answer(this.#lastId)
    this.#child.send({ ...call, id: this.#lastId }, () => undefined)
    return answer
  }

  #answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) reject(new Error('it has ended'))
      else this.#calls.set(id, { resolve, reject })
    })
  }

  #answered({ id, value, error }: Answer): void {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (error === undefined) call?.resolve(value)
    else call?.reject(new Error(error))
  }
}

/** Every living process below this one, children of children too. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(Number(name))
    if (parent !== null) parents.set(Number(name), parent)
  }
  const below = new Set<number>([pid])
  for (let size = 0; size !== below.size; ) {
    size = below.size
    for (const [child, parent] of parents) if (below.has(parent)) below.add(child)
  }
  below.delete(pid)
  return [...below]
}

function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? null : Number(parent)
  } catch {
    return null // it has ended meanwhile
  }
}

export function isAlive(pid: number): boolean {
  return parentOf(pid) !== null
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
