import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { processEntry } from '../../package-root.js'
import type { InstanceFile, RunListEntry, RunShape } from '../../scheduler/shapes.js'

/** A throwaway project with a `sluice up` on it: what is measured is what a user starts. */
export class Subject {
  readonly folder: string
  #child: ChildProcess | null = null
  #instance: InstanceFile | null = null

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(files: Record<string, string>): Promise<Subject> {
    const subject = new Subject(await mkdtemp(join(tmpdir(), 'sluice-bench-')))
    await mkdir(join(subject.folder, 'dags'), { recursive: true })
    for (const [path, text] of Object.entries(files)) await subject.write(path, text)
    return subject
  }

  async write(path: string, text: string): Promise<void> {
    const file = join(this.folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }

  /** @returns milliseconds from the start of the process until `/health/ready` answers 200 */
  async up(slots: number): Promise<number> {
    const started = performance.now()
    const args = [
      processEntry('cli/sluice.js'),
      'up',
      '--project',
      this.folder,
      '--port',
      '0',
      '--workers',
      String(slots),
    ]
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    })
    this.#child = child
    let output = ''
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.#instance = null
    for (;;) {
      if (child.exitCode !== null) throw new Error(`sluice up ended with ${child.exitCode}: ${output}`)
      if (performance.now() - started > 30_000) throw new Error(`sluice up is not ready after 30 s: ${output}`)
      const instance = await this.#readInstance(child.pid)
      if (instance !== null && (await isReady(instance.url))) {
        this.#instance = instance
        return performance.now() - started
      }
      await delay(5)
    }
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error('the subject is not up')
    return pid
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async down(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async remove(): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }

  async get<T>(path: string): Promise<T> {
    return this.#call('GET', path, undefined)
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    return this.#call('POST', path, body)
  }

  async trigger(dag: string): Promise<string> {
    return (await this.post<{ run: string }>(`/dags/${dag}/runs`, {})).run
  }

  /** Waits until the DAG is registered. */
  async hasDags(count: number): Promise<void> {
    for (let left = 1200; left > 0; left--) {
      if ((await this.get<unknown[]>('/dags')).length >= count) return
      await delay(50)
    }
    throw new Error(`the subject did not register ${count} DAGs within 60 s`)
  }

  /** @param lookMs between two looks: each costs the subject some work of its own */
  async finished(run: string, boundMs: number, lookMs = 50): Promise<RunShape> {
    const until = performance.now() + boundMs
    // The list is cheap to make, the run with all its tasks is not: asking for it again and again would be measured too.
    const list = `dag=${run.slice(0, run.indexOf('-'))}&limit=5`
    while (performance.now() < until) {
      const ended = (await this.runs(list)).some((entry) => entry.run === run && entry.ended_at !== null)
      if (ended) return this.get<RunShape>(`/runs/${run}`)
      await delay(lookMs)
    }
    throw new Error(`${run} did not end within ${boundMs} ms`)
  }

  async runs(query: string): Promise<RunListEntry[]> {
    return this.get(`/runs?${query}`)
  }

  /** @returns milliseconds until a page of the web view has come whole */
  async page(path: string): Promise<number> {
    const instance = this.#instance
    if (instance === null) throw new Error('the subject is not up')
    const asked = performance.now()
    const response = await fetch(`${instance.url}${path}`, { headers: { authorization: `Bearer ${instance.token}` } })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`)
    return performance.now() - asked
  }

  /** The metrics as Prometheus reads them. */
  async metrics(): Promise<string> {
    const instance = this.#instance
    if (instance === null) throw new Error('the subject is not up')
    const response = await fetch(`${instance.url}/metrics`, { headers: { authorization: `Bearer ${instance.token}` } })
    if (!response.ok) throw new Error(`the metrics answer ${response.status}`)
    return response.text()
  }

  async #call<T>(method: string, path: string, body: unknown): Promise<T> {
    const instance = this.#instance
    if (instance === null) throw new Error('the subject is not up')
    const response = await fetch(`${instance.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${instance.token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }

  async #readInstance(pid: number | undefined): Promise<InstanceFile | null> {
    try {
      const instance = JSON.parse(await readFile(join(this.folder, '.sluice/instance.json'), 'utf8')) as InstanceFile
      return instance.pid === pid ? { ...instance, url: instance.url.replace(/\/$/, '') } : null
    } catch {
      return null // not written yet, or half written: asked again in a moment
    }
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`)).ok
  } catch {
    return false // nobody listens yet
  }
}
