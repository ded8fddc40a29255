import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Readable } from 'node:stream'
import { PACKAGE_ROOT } from '../../package-root.js'

interface Answer {
  rows?: unknown[][]
  error?: string
}

/**
 * A session of the stack's Spark with nothing of Sluice's own. It takes about ten seconds to start: share one in a file.
 * Iceberg tables are `lake.schema.name`, Delta tables `` delta.`s3a://…` ``.
 */
export class SparkSql {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly #lines: Interface
  #said = ''
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(python: string) {
    const script = join(PACKAGE_ROOT, 'tests/stack/python/spark_sql.py')
    this.#child = spawn(python, [script], { stdio: ['pipe', 'ignore', 'pipe', 'pipe'] })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-5_000)
    })
    this.#lines = createInterface({ input: this.#child.stdio[3] as Readable })
    this.#answers = this.#lines[Symbol.asyncIterator]()
  }

  static async start(): Promise<SparkSql> {
    const python = process.env.SPARK_PYTHON
    if (python === undefined || python === '') throw new Error('SPARK_PYTHON must name a Python with pyspark')
    const spark = new SparkSql(python)
    await spark.#answer()
    return spark
  }

  /** Runs one statement after the other, whoever asks. */
  sql(statement: string): Promise<unknown[][]> {
    return this.#run(statement)
  }

  /**
   * Deletes the rows of an Iceberg table that equal a row of the table `like` in some columns, without rewriting files.
   * @param where `like` has the same columns as the table; `spec` is the number of the partitioning that the delete
   * files lie in, the table's newest by default
   */
  async deleteEqual(table: string, where: { like: string; columns: string[]; spec?: number }): Promise<void> {
    await this.#run({ table, ...where })
  }

  #run(statement: string | object): Promise<unknown[][]> {
    const run = async () => {
      this.#child.stdin?.write(`${JSON.stringify(statement)}\n`)
      const { rows, error } = await this.#answer()
      if (rows === undefined) throw new Error(`${error}\n${JSON.stringify(statement)}`)
      return rows
    }
    const turn = this.#turn.then(run, run)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await ended
    this.#lines.close()
  }

  async #answer(): Promise<Answer> {
    const { value, done } = await this.#answers.next()
    if (done === true) throw new Error(`Spark has ended: ${this.#said}`)
    return JSON.parse(value) as Answer
  }
}
