import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PACKAGE_ROOT, processEntry } from '../../package-root.js'
import type { InstanceFile } from '../../scheduler/shapes.js'
import { type Ended, sluice } from '../cli/sluice-process.js'
import { giveStore } from '../scheduler/store/pglite-folder.js'

const READY_WITHIN_MS = 55_000

/** A project as a newcomer has one: a folder with DAGs, outside the repository. */
export class Project {
  readonly #running = new Set<Up>()

  private constructor(readonly folder: string) {}

  /** @param files path -> text */
  static async create(files: Record<string, string> = {}): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), 'sluice-e2e-')))
    await mkdir(join(project.folder, 'dags'))
    for (const [path, text] of Object.entries(files)) await project.write(path, text)
    return project
  }

  /** With an empty store, which would take seconds to make. */
  static async ready(files: Record<string, string> = {}): Promise<Project> {
    const project = await Project.create(files)
    await giveStore(join(project.folder, 'data/store'))
    return project
  }

  /** With the example DAGs, their SQL and their data. */
  static async example(): Promise<Project> {
    const project = await Project.create()
    await cp(join(PACKAGE_ROOT, 'dags'), join(project.folder, 'dags'), { recursive: true })
    await cp(join(PACKAGE_ROOT, 'sluice.yaml'), join(project.folder, 'sluice.yaml'))
    return project
  }

  async write(path: string, text: string): Promise<void> {
    const file = join(this.folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }

  /** Runs a command on the project to its end. */
  sluice(...args: string[]): Promise<Ended> {
    return sluice([...args, '--project', this.folder])
  }

  /** @returns what the command printed as JSON; fails when it did not end well */
  async json<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.sluice(...args, '--json')
    if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${stderr}`)
    return JSON.parse(stdout) as T
  }

  /** Starts `sluice up` on a free port and resolves once it says that it is ready. */
  async up(...args: string[]): Promise<Up> {
    const up = new Up(this.folder, args)
    this.#running.add(up)
    await up.ready()
    return up
  }

  async instance(): Promise<InstanceFile> {
    return JSON.parse(await readFile(join(this.folder, '.sluice/instance.json'), 'utf8')) as InstanceFile
  }

  /** @returns what the API of the running Sluice answers to a GET; fails when it does not answer well */
  async api<T>(path: string): Promise<T> {
    const { url, token } = await this.instance()
    const response = await fetch(`${url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }

  async remove(): Promise<void> {
    for (const up of this.#running) await up.end('SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** A running `sluice up`. */
export class Up {
  readonly #child: ChildProcess
  readonly startedAt = performance.now()
  readonly #closed: Promise<unknown>
  output = ''

  constructor(folder: string, args: readonly string[]) {
    const { SLUICE_URL: _url, SLUICE_TOKEN: _token, FORCE_COLOR: _colour, ...env } = process.env
    const all = [processEntry('cli/sluice.js'), 'up', '--port', '0', '--project', folder, ...args]
    this.#child = spawn(process.execPath, all, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
    this.#closed = once(this.#child, 'close')
  }

  /** @returns milliseconds from its start */
  async ready(): Promise<number> {
    const signal = AbortSignal.timeout(READY_WITHIN_MS)
    while (!this.output.includes('Ctrl-C stops it.')) {
      if (this.#child.exitCode !== null) throw new Error(`sluice up ended with ${this.#child.exitCode}: ${this.output}`)
      if (this.#child.stdout === null) throw new Error('sluice up has no output')
      await Promise.race([once(this.#child.stdout, 'data', { signal }), once(this.#child, 'exit', { signal })])
    }
    return performance.now() - this.startedAt
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get loginLink(): string {
    return /(http:\/\/\S+\/login\?token=\S+)/.exec(this.output)?.[1] ?? ''
  }

  /** Afterwards all that it has said is in `output`. @returns its exit code; null when a signal ended it */
  async end(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal)
    await this.#closed
    return this.#child.exitCode
  }
}
