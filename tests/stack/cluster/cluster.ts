import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { processEntry } from '../../../package-root.js'
import type { InstanceFile, RunListEntry } from '../../../scheduler/shapes.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { type Ended, sluice } from '../../cli/sluice-process.js'
import { eventually } from '../../e2e/eventually.js'

const READY_WITHIN_MS = 60_000

/** A project whose parts are processes of their own, as on many machines. */
export class Cluster {
  readonly #parts = new Set<Part>()
  readonly #dropDatabase: () => Promise<void>

  private constructor(
    readonly folder: string,
    readonly storeUrl: string,
    dropDatabase: () => Promise<void>,
  ) {
    this.#dropDatabase = dropDatabase
  }

  /** @param where.postgres a server; the cluster has a database of its own there */
  static async create(where: { postgres: string; redis: string }, files: Record<string, string>): Promise<Cluster> {
    const name = `cluster_${randomUUID().replaceAll('-', '').slice(0, 12)}`
    const admin = await PostgresDatabase.open(where.postgres, { connections: 1 })
    await admin.query(`create database ${name}`)
    await admin.close()
    const url = new URL(where.postgres)
    url.pathname = `/${name}`
    const cluster = new Cluster(await mkdtemp(join(tmpdir(), 'sluice-cluster-')), url.href, async () => {
      const owner = await PostgresDatabase.open(where.postgres, { connections: 1 })
      await owner.query(`drop database if exists ${name} with (force)`)
      await owner.close()
    })
    const { 'sluice.yaml': more = '', ...others } = files
    const config = `store: ${url.href}\nqueue: ${where.redis}\n${more}`
    for (const [path, text] of Object.entries({ ...others, 'sluice.yaml': config })) await cluster.write(path, text)
    const { code, stderr } = await cluster.sluice('db', 'migrate')
    if (code !== 0) throw new Error(`sluice db migrate ended with ${code}: ${stderr}`)
    return cluster
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), { recursive: true })
    await writeFile(join(this.folder, path), text)
  }

  sluice(...args: string[]): Promise<Ended> {
    return sluice([...args, '--project', this.folder])
  }

  async start(name: 'scheduler' | 'worker' | 'webserver', ...args: string[]): Promise<Part> {
    const part = new Part(this.folder, name, name === 'webserver' ? ['--port', '0', ...args] : args)
    this.#parts.add(part)
    await part.ready()
    return part
  }

  /** What the parts have said; for a failure that needs explaining. */
  said(): string {
    return [...this.#parts].map(({ name, pid, output }) => `--- ${name} ${pid}\n${output.slice(-1500)}`).join('\n')
  }

  /** Whether one of the parts has said this, as far as their output reaches back. */
  hasSaid(words: string): boolean {
    return [...this.#parts].some(({ output }) => output.includes(words))
  }

  async call<T>(method: 'GET' | 'POST', path: string, body?: unknown, key?: string): Promise<T> {
    const text = await this.text(`/api/v1${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return JSON.parse(text) as T
  }

  /** What an address of the web server answers: a page, a log. */
  async text(
    path: string,
    { headers = {}, ...init }: RequestInit & { headers?: Record<string, string> } = {},
  ): Promise<string> {
    const instance = await readFile(join(this.folder, '.sluice/instance.json'), 'utf8')
    const { url, token } = JSON.parse(instance) as InstanceFile
    const response = await fetch(url + path, { ...init, headers: { ...headers, authorization: `Bearer ${token}` } })
    if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`)
    return response.text()
  }

  /** Triggers until it is acknowledged: whatever the answer was, the key makes it one run. */
  async trigger(dag: string): Promise<string> {
    const key = randomUUID()
    return eventually(60_000, async () => {
      try {
        return (await this.call<{ run: string }>('POST', `/dags/${dag}/runs`, {}, key)).run
      } catch {
        return null
      }
    })
  }

  /** Resolves once the DAG is registered. */
  async knows(dag: string): Promise<void> {
    await eventually(60_000, async () => {
      const dags = await this.call<{ dag: string }[]>('GET', '/dags').catch(() => [])
      return dags.some((one) => one.dag === dag) ? true : null
    })
  }

  /** Resolves once all these runs have ended. @returns their states */
  async ended(runs: readonly string[], withinMs: number): Promise<Map<string, string>> {
    const wanted = new Set(runs)
    try {
      return await eventually(withinMs, async () => {
        const list = await this.call<RunListEntry[]>('GET', '/runs?limit=1000').catch(() => [])
        const states = list.filter(({ run, ended_at }) => wanted.has(run) && ended_at !== null)
        return states.length === wanted.size ? new Map(states.map(({ run, state }) => [run, state])) : null
      })
    } catch (error) {
      throw new Error(`not all runs ended\n${this.said()}`, { cause: error })
    }
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#parts].map((part) => part.end('SIGKILL')))
    await this.#dropDatabase()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** One running process of a cluster. */
export class Part {
  readonly #child: ChildProcess
  output = ''

  constructor(
    folder: string,
    readonly name: string,
    args: readonly string[],
  ) {
    const { SLUICE_URL: _url, SLUICE_TOKEN: _token, FORCE_COLOR: _colour, ...env } = process.env
    this.#child = spawn(process.execPath, [processEntry('cli/sluice.js'), name, '--project', folder, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-100_000)
      })
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async ready(): Promise<void> {
    await eventually(READY_WITHIN_MS, async () => {
      if (this.#child.exitCode !== null)
        throw new Error(`${this.name} ended with ${this.#child.exitCode}: ${this.output}`)
      return this.output.includes(' is ready after ') ? true : null
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** @returns its exit code; null when a signal ended it */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode
    const closed = once(this.#child, 'close')
    this.#child.kill(signal)
    const [code] = (await closed) as [number | null]
    return code
  }
}
