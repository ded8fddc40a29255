import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { SluiceError } from '../../errors.js'
import { processEntry } from '../../package-root.js'
import type { Database, LoneAnswer, SqlRow, SqlStatement, SqlValue } from './database.js'
import type { ThreadAnswer, ThreadRequest, ThreadStart } from './pglite-messages.js'
import { isSqlState } from './sql-state.js'

const execute = promisify(execFile)

type Request = ThreadRequest extends infer R ? (R extends ThreadRequest ? Omit<R, 'id'> : never) : never

interface Waiting {
  resolve: (results: SqlRow[][]) => void
  reject: (error: Error) => void
}

let startedAhead: Worker | null = null

/**
 * Starts the thread of the store that will be opened, so that PGlite is loaded while it is still being found out where that
 * store is. A process that opens none ends all the same.
 */
export function startThread(): void {
  if (startedAhead !== null) return
  const thread = newThread()
  startedAhead = thread
  // one that fails now is made anew when it is needed, and then says why
  const forget = () => {
    if (startedAhead === thread) startedAhead = null
  }
  thread.once('error', forget)
  thread.once('exit', forget)
  thread.unref()
}

/** Ends a thread that was started ahead and is not needed. */
export async function endThread(): Promise<void> {
  const thread = startedAhead
  startedAhead = null
  await thread?.terminate()
}

function takeThread(): Worker {
  const thread = startedAhead ?? newThread()
  startedAhead = null
  thread.ref()
  return thread
}

function newThread(): Worker {
  return new Worker(processEntry('scheduler/store/pglite-thread.js'))
}

/**
 * PGlite in a thread of its own, so that neither a long statement nor its memory's growth stops the host's loop. It survives
 * kill -9 of the process, not a loss of power: PGlite does not sync to disk.
 */
export class PgliteDatabase implements Database {
  readonly exclusive = true
  readonly #thread: Worker
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #closing = false
  #broken: Error | null = null
  #tellBroken: (cause: Error) => void = () => undefined
  /** resolves with the cause once the thread has ended without being asked to: nothing can be stored any more */
  readonly broken = new Promise<Error>((resolve) => {
    this.#tellBroken = resolve
  })

  private constructor(thread: Worker) {
    this.#thread = thread
    thread.on('message', (answer: ThreadAnswer) => this.#answered(answer))
    thread.on('error', (error) => this.#break(error))
    thread.on('exit', () => this.#break(new Error('the thread of the store has ended')))
  }

  /** Opens the database in `folder`, making it first when there is none. The caller holds the folder's lock. */
  static async open(folder: string): Promise<PgliteDatabase> {
    const data = join(folder, 'pgdata')
    if (!existsSync(data)) await initialise(folder, data)
    const thread = takeThread()
    thread.postMessage({ folder: data } satisfies ThreadStart)
    const database = new PgliteDatabase(thread)
    await new Promise<SqlRow[][]>((resolve, reject) => database.#waiting.set(0, { resolve, reject }))
    return database
  }

  async query<Row extends SqlRow = SqlRow>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
    const [rows] = await this.#ask({ kind: 'query', sql, params })
    return (rows ?? []) as Row[]
  }

  async transaction(statements: readonly SqlStatement[]): Promise<SqlRow[][]> {
    return this.#ask({ kind: 'transaction', statements })
  }

  async loneOr(lone: SqlStatement, general: readonly SqlStatement[]): Promise<LoneAnswer> {
    const [rows = [], ...others] = await this.#ask({ kind: 'lone_or', statements: [lone, ...general] })
    return rows.length > 0 ? { lone: rows } : { general: others }
  }

  async script(sql: string): Promise<void> {
    await this.#ask({ kind: 'script', sql })
  }

  async close(): Promise<void> {
    if (this.#broken !== null) return
    this.#closing = true
    await this.#ask({ kind: 'close' })
    await this.#thread.terminate()
  }

  #ask(request: Request): Promise<SqlRow[][]> {
    const broken = this.#broken
    if (broken !== null) {
      return Promise.reject(new SluiceError('STORE_FAILED', 'The store is closed.', { cause: broken }))
    }
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#thread.postMessage({ ...request, id })
    })
  }

  #answered(answer: ThreadAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    this.#waiting.delete(answer.id)
    if (answer.kind === 'rows') waiting.resolve(answer.results)
    else waiting.reject(statementFailure(answer.message, answer.code))
  }

  #break(cause: Error): void {
    if (this.#broken === null && !this.#closing) this.#tellBroken(cause)
    this.#broken ??= cause
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting)
      reject(new SluiceError('STORE_FAILED', `The store broke: ${cause.message}.`, { cause }))
  }
}

/**
 * A statement that failed: whether the store refused it, or what has become of it is not known.
 * @param code PostgreSQL's five characters; anything else means that the statement did not reach it or got no answer
 */
export function statementFailure(message: string, code: string, cause?: unknown): SluiceError {
  const sentence = isSqlState(code)
    ? `The store refused a statement: ${message} (${code}).`
    : `The store gave no answer: ${message}.`
  return new SluiceError('STORE_FAILED', sentence, { cause: cause ?? { code } })
}

/**
 * The first `initdb` takes some 840 MB, which a process of its own gives back by ending. It works beside the final place and
 * is renamed there, so a killed first start leaves nothing half made.
 */
async function initialise(folder: string, data: string): Promise<void> {
  const fresh = `${data}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  try {
    await execute(process.execPath, [processEntry('scheduler/store/pglite-init.js'), fresh])
  } catch (error) {
    throw new SluiceError('STORE_FAILED', `The store cannot be made in ${folder}.`, { cause: error })
  }
  await rename(fresh, data)
}
