import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { JsonObject } from '../../../json.js'
import { operators } from '../../../operators/index.js'
import { systemClock } from '../../../scheduler/clock.js'
import { createCommands } from '../../../scheduler/commands/create.js'
import type { Commands } from '../../../scheduler/commands.js'
import type { Config } from '../../../scheduler/config.js'
import type { TaskRun } from '../../../scheduler/core/model.js'
import { loadFolder } from '../../../scheduler/dag/load-folder.js'
import * as timetable from '../../../scheduler/dag/schedule.js'
import { Events } from '../../../scheduler/events.js'
import { loadConfig } from '../../../scheduler/load-config.js'
import type { Log } from '../../../scheduler/loop/ports.js'
import { LocalQueue } from '../../../scheduler/queue/local.js'
import { createScheduler, type Scheduler } from '../../../scheduler/scheduler.js'
import type { LogLine } from '../../../scheduler/shapes.js'
import { AttemptLogs } from '../../../scheduler/worker/log-reader.js'
import { openLogStore } from '../../../scheduler/worker/open-log-store.js'
import { Supervisor, type SupervisorOptions } from '../../../scheduler/worker/supervisor.js'
import { createMemoryStore } from '../../simulation/memory-store/index.js'
import type { AttemptRow } from '../../simulation/memory-store/tables.js'

const FINAL_RUN = ['success', 'failed', 'cancelled']

/** A project with a real scheduler and a real worker with its slot processes; only the store is in memory. */
export class WorkerProject {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-worker-')))
  readonly store = createMemoryStore()
  readonly events = new Events()
  readonly warnings: string[] = []
  readonly config: Config
  readonly logs: AttemptLogs
  readonly worker: Supervisor
  readonly scheduler: Scheduler
  readonly commands: Commands

  private constructor(files: Record<string, string>, options: Partial<SupervisorOptions>) {
    mkdirSync(join(this.folder, 'dags'))
    for (const [path, text] of Object.entries(files)) this.write(path, text)
    // claims of several tests at once must not be taken for each other
    this.store.tables.newToken = () => randomUUID()
    this.config = loadConfig(this.folder)
    this.logs = new AttemptLogs(openLogStore(this.config), this.events)
    const warn = (_fields: object, message: string) => void this.warnings.push(message)
    const log: Log = { debug: () => undefined, info: () => undefined, warn, error: warn }
    const { store, events } = this
    const queue = new LocalQueue()
    const ports = { store, events, queue, clock: systemClock, timetable, random: Math.random, log }
    this.scheduler = createScheduler(ports)
    this.commands = createCommands({ ...ports, wake: this.scheduler })
    const { project, dags, logs, catalogs, connections, cache, vars } = this.config
    this.worker = new Supervisor({
      ...ports,
      id: 'worker',
      epoch: 0,
      slots: 4,
      queues: ['default'],
      operators,
      slotConfig: { project, dags, logs, catalogs, connections, cache, vars, work: join(project, '.sluice/work') },
      instance: randomUUID(),
      recorded: (outcomes) => this.scheduler.recorded(outcomes),
      woken: (runId) => this.scheduler.run(runId),
      ...options,
    })
  }

  /** @param files path in the project -> text */
  static async start(files: Record<string, string>, options: Partial<SupervisorOptions> = {}): Promise<WorkerProject> {
    const project = new WorkerProject(files, options)
    await project.store.setPools(project.config.pools)
    await project.register()
    project.worker.start()
    project.scheduler.start()
    return project
  }

  async register(): Promise<void> {
    const { project, dags } = this.config
    const reading = await loadFolder({ operators, project, dags })
    if (reading.problems.length > 0) throw new Error(JSON.stringify(reading.problems, null, 2))
    await this.scheduler.register(reading)
  }

  write(path: string, text: string): void {
    const file = join(this.folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  async trigger(dag: string, params: JsonObject = {}): Promise<string> {
    const options = { params, interval: null, onlyTasks: null, noChecks: false }
    return (await this.commands.trigger(dag, options, { user: 'test' }, null)).run
  }

  /** Runs a DAG to its end. */
  async run(
    dag: string,
    params: JsonObject = {},
  ): Promise<{ run: string; state: string; tasks: Record<string, TaskRun> }> {
    const run = await this.trigger(dag, params)
    const state = await this.finished(run)
    return { run, state, tasks: await this.tasks(run) }
  }

  async finished(run: string): Promise<string> {
    await eventually(`${run} ends`, async () => FINAL_RUN.includes((await this.store.run(run))?.state ?? ''), 25_000)
    return (await this.store.run(run))?.state ?? ''
  }

  async tasks(run: string): Promise<Record<string, TaskRun>> {
    return Object.fromEntries((await this.store.taskRuns(run)).map((task) => [task.taskId, task]))
  }

  /** Resolves once the task runs and has logged a line that holds the text. */
  async said(run: string, task: string, text: string, attempt = 1): Promise<void> {
    await eventually(`${task} says ${text}`, async () =>
      (await this.lines(run, task, attempt)).some((line) => line.message.includes(text)),
    )
  }

  /** folders of attempts, those made ahead aside */
  workFolders(): string[] {
    return readdirSync(join(this.folder, '.sluice/work')).filter((name) => !name.startsWith('ahead-'))
  }

  attempt(run: string, task: string, attempt = 1): AttemptRow {
    const row = this.store.tables.attempt(run, task, attempt)
    if (row === undefined) throw new Error(`there is no attempt ${attempt} of ${task}`)
    return row
  }

  async lines(run: string, task: string, attempt = 1): Promise<LogLine[]> {
    const lines: LogLine[] = []
    for await (const line of this.logs.read({ runId: run, taskId: task, attempt }, { from: 1 })) lines.push(line)
    return lines
  }

  async messages(run: string, task: string, attempt = 1): Promise<string[]> {
    return (await this.lines(run, task, attempt)).map((line) => line.message)
  }

  async close(): Promise<void> {
    await this.worker.close('the test is over')
    await this.scheduler.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Looks until the condition holds. @throws when it does not in time */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const until = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`)
    await delay(10)
  }
}

/** True while a process lives; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
