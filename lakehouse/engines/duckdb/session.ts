import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBResult,
  DuckDBScalarFunction,
  type DuckDBValue,
  INTEGER,
  VARCHAR,
} from '@duckdb/node-api'
import { messageOf } from '../../../errors.js'
import { DUCKDB_MOST_THREADS, type DuckdbConnection } from '../../config.js'
import { identifier, literal } from '../../sql.js'
import { duckdbError } from './errors.js'
import { TRINO_FUNCTIONS } from './trino-functions.js'

/** What a query that outgrows its memory may spill to disk. */
const SPILL_LIMIT = '10GB'
/** An interrupt that arrives before the statement has started is lost, so it is repeated. */
const INTERRUPT_EVERY_MS = 20

export interface SessionOptions {
  connection: DuckdbConnection
  /** the first one resolves names of two parts */
  catalogs: string[]
  /** folders the engine may read and write */
  folders: string[]
  /** single files it may read besides */
  files: string[]
  /** folder in which it makes one of its own for what does not fit into memory */
  spill: string
}

/**
 * One DuckDB in this process, locked in: no network, no extensions, no settings, no file but those it was opened with.
 * It runs one statement at a time; `exclusive` keeps a series of them together.
 */
export class DuckdbSession {
  private queue: Promise<unknown> = Promise.resolve()
  private readonly defined = new Set<string>()

  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
    private readonly spillFolder: string,
    readonly memoryLimit: string,
  ) {}

  static async open(options: SessionOptions): Promise<DuckdbSession> {
    const { memory_limit: memoryLimit, threads } = options.connection
    const spillFolder = join(options.spill, `sluice-duckdb-${randomUUID()}`)
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: memoryLimit,
      threads: String(threads ?? Math.min(availableParallelism(), DUCKDB_MOST_THREADS)),
      temp_directory: spillFolder,
      max_temp_directory_size: SPILL_LIMIT,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    })
    try {
      const session = new DuckdbSession(instance, await instance.connect(), spillFolder, memoryLimit)
      await session.lockIn(options)
      return session
    } catch (error) {
      instance.closeSync()
      throw error
    }
  }

  private async lockIn({ catalogs, folders, files }: SessionOptions): Promise<void> {
    await mkdir(this.spillFolder, { mode: 0o700 })
    const list = (paths: string[]): string => `[${paths.map(literal).join(', ')}]`
    const statements = [
      `SET TimeZone = 'UTC'`,
      ...catalogs.map((catalog) => `ATTACH ':memory:' AS ${identifier(catalog)}`),
      `USE ${identifier(catalogs[0] ?? 'memory')}`,
      TRINO_FUNCTIONS,
      `SET allowed_directories = ${list(folders)}`,
      `SET allowed_paths = ${list(files)}`,
      'SET enable_external_access = false',
      'SET lock_configuration = true',
    ]
    for (const statement of statements) await this.connection.run(statement)
  }

  /** Runs `task` when all earlier ones have ended; it may use the session as it likes meanwhile. */
  async exclusive<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(task, task)
    this.queue = turn.catch(() => undefined)
    return turn
  }

  /** Runs a statement whose result does not matter. */
  async run(sql: string, signal?: AbortSignal, subject = 'The SQL'): Promise<void> {
    await this.interruptible(signal, subject, () => this.connection.run(sql))
  }

  /** Runs a statement and returns all rows as objects with DuckDB's own values. For results known to be small. */
  async rows(
    sql: string,
    options: { signal?: AbortSignal; subject?: string; values?: DuckDBValue[] } = {},
  ): Promise<Record<string, DuckDBValue>[]> {
    return this.interruptible(options.signal, options.subject ?? 'The SQL', async () => {
      const reader = await this.connection.runAndReadAll(sql, options.values)
      return reader.getRowObjects()
    })
  }

  /** Reads a result piece by piece; `read` returns when it has enough. */
  async stream<T>(
    sql: string,
    signal: AbortSignal | undefined,
    read: (result: DuckDBResult) => Promise<T>,
  ): Promise<T> {
    return this.interruptible(signal, 'The SQL', async () => read(await this.connection.stream(sql)))
  }

  /** Names and types of the columns of a SELECT, without running it. */
  async columns(sql: string, subject = 'The SQL') {
    return this.interruptible(undefined, subject, async () => {
      const statement = await this.connection.prepare(sql)
      try {
        return Array.from({ length: statement.columnCount }, (_, index) => ({
          name: statement.columnName(index),
          type: statement.columnType(index),
        }))
      } finally {
        statement.destroySync()
      }
    })
  }

  /** Teaches the session's SQL a function from texts to integers; NULL stays NULL. One name is always the same function. */
  define(name: string, of: (text: string) => number): void {
    if (this.defined.has(name)) return
    const made = DuckDBScalarFunction.create({
      name,
      parameterTypes: [VARCHAR],
      returnType: INTEGER,
      mainFunction: (info, input, output) => {
        try {
          for (const [row, text] of input.getColumnValues(0).entries()) {
            output.setItem(row, typeof text === 'string' ? of(text) : null)
          }
          output.flush()
        } catch (error) {
          info.setError(messageOf(error))
        }
      },
    })
    this.connection.registerScalarFunction(made)
    this.defined.add(name)
  }

  async close(): Promise<void> {
    await this.exclusive(async () => {
      this.connection.closeSync()
      this.instance.closeSync()
      await rm(this.spillFolder, { recursive: true, force: true })
    })
  }

  private async interruptible<T>(signal: AbortSignal | undefined, subject: string, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    let repeat: NodeJS.Timeout | undefined
    const interrupt = (): void => {
      this.connection.interrupt()
      repeat = setInterval(() => this.connection.interrupt(), INTERRUPT_EVERY_MS)
    }
    signal?.addEventListener('abort', interrupt, { once: true })
    try {
      return await work()
    } catch (error) {
      signal?.throwIfAborted()
      throw duckdbError(error, subject, this.memoryLimit)
    } finally {
      signal?.removeEventListener('abort', interrupt)
      clearInterval(repeat)
    }
  }
}
