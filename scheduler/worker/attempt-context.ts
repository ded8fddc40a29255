import { dirname, join } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { ConnectionConfig, LakehouseConfig } from '../../lakehouse/config.js'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import type { OperatorContext } from '../../operators/operator.js'
import type { RenderedTask } from '../dag/templates.js'
import { lakehouseConfig } from '../lakehouse-config.js'
import { resolveSecrets, type SecretSource } from '../secrets.js'
import type { LogWriter } from './log-writer.js'
import type { Masking } from './masking.js'
import type { Assignment, SlotConfig } from './protocol.js'
import type { SlotTables } from './slot-tables.js'
import { taskEnvironment } from './task-environment.js'
import type { WorkFolder } from './work-folder.js'

/** What an attempt's context is made of. */
export interface ContextParts {
  config: SlotConfig
  assignment: Assignment
  rendered: RenderedTask
  signal: AbortSignal
  log: LogWriter
  masking: Masking
  work: WorkFolder
  /** environment of the slot: where secrets come from */
  env: Record<string, string | undefined>
  tables: SlotTables
  progress(value: JsonObject): void
  saveHandle(handle: Json): Promise<void>
  now(): number
}

/** The lakehouses an attempt has opened; closed when it ends. */
export interface OpenedLakehouses {
  close(): Promise<void>
}

/** The operator's view of one attempt. Secrets are resolved here, when they are asked for, and masked from then on. */
export function attemptContext(parts: ContextParts): { context: OperatorContext; opened: OpenedLakehouses } {
  const { config, assignment, rendered, signal, log, masking, work } = parts
  const { claim, dag, task } = assignment
  const source = { env: parts.env, folder: config.project }
  const found = (secret: string) => masking.add(secret)
  const own = resolveSecrets(rendered.env, source, `task ${task.id}, env`, found)
  const connection = (name: string) => namedConnection(config, name, source, found)
  // what spills goes with the attempt's folder, also when its slot is killed
  const lakehouses = new Lakehouses((engine) => ({
    ...lakehouseConfig(config, engine, source, found),
    spill: work.path,
  }))
  const context: OperatorContext = {
    dag: { id: dag.id, folder: join(config.dags, dirname(dag.file)) },
    run: {
      id: claim.runId,
      scheduledAt: claim.dueAt,
      intervalStart: claim.intervalStart,
      intervalEnd: claim.intervalEnd,
    },
    task: { id: claim.taskId, attempt: claim.attempt, generation: claim.generation, queue: task.queue },
    woken: claim.woken,
    project: config.project,
    roots: [config.project, config.dags],
    get workDir() {
      return work.path
    },
    env: taskEnvironment(parts.env, own, claim, !task.skipIfDone),
    signal,
    log: (level, message) => log.write(level, message),
    logDrained: () => log.drained(),
    file: (path) => {
      const text = Object.hasOwn(rendered.files, path) ? rendered.files[path] : undefined
      if (text === undefined) throw new Error(`the task names no file ${path}`)
      return text
    },
    connection,
    tables: () => parts.tables.open(lakehouseConfig(config, null, source, found)),
    lakehouse: (name = 'lakehouse') => lakehouses.open(name),
    token: `${dag.id}/${claim.runId}/${claim.taskId}/${claim.generation}`,
    checks: rendered.checks,
    noChecks: claim.noChecks,
    progress: (value) => parts.progress(masking.json(value)),
    saveHandle: parts.saveHandle,
    now: parts.now,
  }
  return { context, opened: lakehouses }
}

/**
 * A connection of sluice.yaml with its secrets resolved.
 * @throws SluiceError CONNECTION_UNKNOWN, SECRET_MISSING
 */
export function namedConnection(
  config: SlotConfig,
  name: string,
  source: SecretSource,
  found: (secret: string) => void,
): ConnectionConfig {
  const named = Object.hasOwn(config.connections, name) ? config.connections[name] : undefined
  if (named !== undefined) return resolveSecrets(named, source, `sluice.yaml: connections.${name}`, found)
  const known = Object.keys(config.connections).join(', ')
  const message = `There is no connection ${name}; sluice.yaml had ${known} when Sluice started.`
  throw new SluiceError('CONNECTION_UNKNOWN', message, { retryable: false })
}

/** The lakehouses of one attempt, or of one look. */
export class Lakehouses implements OpenedLakehouses {
  readonly #resolved: (engine: string) => LakehouseConfig
  readonly #open = new Map<string, Promise<Lakehouse>>()

  /** @param resolved the configuration for an engine's connection, with the secrets it needs */
  constructor(resolved: (engine: string) => LakehouseConfig) {
    this.#resolved = resolved
  }

  open(name: string): Promise<Lakehouse> {
    const known = this.#open.get(name)
    if (known !== undefined) return known
    const opening = this.#start(name)
    this.#open.set(name, opening)
    return opening
  }

  async close(): Promise<void> {
    for (const opening of this.#open.values()) {
      const lakehouse = await opening.catch(() => null) // whoever opened it has been told
      await lakehouse?.close()
    }
  }

  async #start(name: string): Promise<Lakehouse> {
    const { openLakehouse } = await import('../../lakehouse/open.js')
    return openLakehouse(this.#resolved(name), name)
  }
}
