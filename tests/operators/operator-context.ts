import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { ConnectionConfig } from '../../lakehouse/config.js'
import type { Check, Lakehouse, Tables } from '../../lakehouse/lakehouse.js'
import type { LogLevel, OperatorContext } from '../../operators/operator.js'

export const NOW = Date.UTC(2026, 0, 2, 6)

export interface TestContext extends OperatorContext {
  /** what the operator logged, one `level message` each */
  lines: string[]
  controller: AbortController
}

export interface ContextOptions {
  env?: Record<string, string>
  connections?: Record<string, ConnectionConfig>
  checks?: Check[]
  token?: string
  lakehouse?: (connection?: string) => Promise<Lakehouse>
  logDrained?: () => Promise<void>
  woken?: Json
  tables?: Tables
  now?: () => number
  saveHandle?: (handle: Json) => Promise<void>
}

/** A project in a folder of its own, and contexts of attempts in it as a worker would give them. */
export class TestProject {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-operators-')))
  readonly project = join(this.root, 'project')
  readonly dags = join(this.project, 'dags')
  #attempts = 0

  constructor() {
    mkdirSync(this.dags, { recursive: true })
  }

  /** @param path relative to the DAG file */
  write(path: string, content: string | Uint8Array): string {
    const file = resolve(this.dags, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    return file
  }

  context(files: Record<string, string> = {}, options: ContextOptions = {}): TestContext {
    this.#attempts += 1
    const workDir = join(this.root, `attempt-${this.#attempts}`)
    mkdirSync(workDir)
    const controller = new AbortController()
    const lines: string[] = []
    return {
      dag: { id: 'sales', folder: this.dags },
      run: { id: 'run-1', scheduledAt: NOW, intervalStart: NOW - 86_400_000, intervalEnd: NOW },
      task: { id: 'task', attempt: 1, generation: 1, queue: 'default' },
      woken: options.woken ?? null,
      project: this.project,
      roots: [this.project, this.dags],
      workDir,
      env: { PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}`, HOME: this.root, ...options.env },
      signal: controller.signal,
      controller,
      lines,
      log: (level: LogLevel, message: string) => void lines.push(`${level} ${message}`),
      logDrained: options.logDrained ?? (() => Promise.resolve()),
      file: (path: string) => given(files[path], `file ${path}`),
      connection: (name: string) => {
        const connection = options.connections?.[name]
        if (connection === undefined)
          throw new SluiceError('CONNECTION_UNKNOWN', `There is no connection ${name}.`, { retryable: false })
        return connection
      },
      tables: async () => given(options.tables, 'tables'),
      lakehouse: options.lakehouse ?? (() => Promise.reject(new Error('this test has no lakehouse'))),
      token: options.token ?? `sales/run-1/task/${this.#attempts}`,
      checks: options.checks ?? [],
      noChecks: false,
      progress: () => undefined,
      saveHandle: options.saveHandle ?? (() => Promise.resolve()),
      now: options.now ?? (() => NOW),
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** The failure of something that must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('error' in outcome && outcome.error instanceof Error) return outcome.error
  throw new Error(`expected a failure, got ${JSON.stringify(outcome)}`)
}

/** Polls a condition until it holds; fails after `withinMs`. */
export async function eventually(what: string, condition: () => boolean, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export function given<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`missing: ${what}`)
  return value
}

export function configOf(value: JsonObject): JsonObject {
  return value
}
