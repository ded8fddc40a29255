import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Tables } from '../lakehouse/lakehouse.js'
import { type Clock, systemClock } from './clock.js'
import type { Presence } from './cluster/presence.js'
import type { Commands } from './commands.js'
import { compileOptions } from './compile-options.js'
import { type Config, projectRecipients } from './config.js'
import type { FolderReading } from './dag/load-folder.js'
import type { FolderWatch } from './dag/watch.js'
import { Events } from './events.js'
import { onlyTriggeredHere } from './foreground.js'
import { ownLakehouseConfig } from './lakehouse-config.js'
import type { Log, Ports } from './loop/ports.js'
import { LocalQueue } from './queue/local.js'
import type { Scheduler } from './scheduler.js'
import type { Database } from './store/database.js'
import type { OpenStore } from './store/open-store.js'
import type { Store } from './store/store.js'
import type { AttemptLogs } from './worker/log-reader.js'
import { endLeftProcesses } from './worker/orphans.js'
import type { Supervisor } from './worker/supervisor.js'
import { removeLeftWork } from './worker/work-folder.js'

export interface EmbeddedOptions {
  config: Config
  /** attempts at once */
  workers: number
  log: Log
  clock?: Clock
  /** false works on nothing but the runs that are triggered here, and those that they start (`sluice run`) */
  schedules?: boolean
}

/** Scheduler, worker and store in one process (docs/ARCHITECTURE.md). */
export interface Embedded {
  config: Config
  store: Store
  database: Database
  scheduler: Scheduler
  commands: Commands
  events: Events
  logs: AttemptLogs
  tables: Tables
  worker: Supervisor
  /** the DAGs folder; `refresh()` reads it now */
  dags: FolderWatch
  /** resolves when the store has crashed or is another's: nothing can be made durable any more, so the process should end */
  broken: Promise<Error>
  /**
   * Stops cleanly within about 15 s: running attempts are ended and recorded as stopped, so that their tasks run again after
   * the next start, with the tries that they had. A kill meanwhile loses nothing that was acknowledged.
   */
  close(): Promise<void>
}

const WHY_LOST = 'Sluice was killed or stopped while the attempt ran'
const WHY_STOPPED = 'Sluice was stopped while the attempt ran'

/**
 * Starts everything embedded; resolves once the DAGs are known and runs are worked on. What a predecessor left running is
 * ended first, and what it held is taken over at once.
 * @throws SluiceError STORE_LOCKED when another Sluice has the store, NOT_WRITABLE, CONFIG_INVALID without a DAGs folder
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { config } = options
  const clock = options.clock ?? systemClock
  // the store opens in a thread of its own, so libraries are loaded and DAGs compiled beside it
  const opening = import('./store/open-store.js').then(({ openStore }) => openStore(config.store, clock.now()))
  const loading = loadParts()
  // awaited later; a failure meanwhile is not unhandled
  for (const later of [opening, loading]) later.catch(() => undefined)
  const registering = new Registering()
  const folder = await watchFolder(options, registering).catch(async (error: unknown) => {
    await opening.then(({ store }) => store.close())
    throw error
  })
  try {
    return await joined(options, clock, await opening, folder, registering, await loading)
  } catch (error) {
    registering.refuse()
    await folder.watch.close()
    await opening.then(
      ({ store }) => store.close(),
      () => undefined, // it is the error that is thrown
    )
    throw error
  }
}

async function loadParts() {
  const loaded = await Promise.all([
    import('./scheduler.js'),
    import('./commands/create.js'),
    import('./worker/supervisor.js'),
    import('../operators/index.js'),
    import('../lakehouse/open.js'),
    import('./alerts/start-outbox.js'),
    import('./recorded-tables.js'),
    import('./triggers/watches.js'),
    import('./worker/log-reader.js'),
    import('./worker/open-log-store.js'),
    import('./dag/schedule.js'),
  ])
  const [scheduler, commands, supervisor, operators, lakehouse, outbox, tables, watches, logs, logStore, timetable] =
    loaded
  return {
    ...{ ...scheduler, ...commands, ...supervisor, ...operators, ...lakehouse, ...outbox },
    ...{ ...tables, ...watches, ...logs, ...logStore, timetable },
  }
}

type Parts = Awaited<ReturnType<typeof loadParts>>

interface Folder {
  watch: FolderWatch
  /** resolves once the first reading has been registered; rejects when there is no folder to read */
  first: Promise<void>
}

async function watchFolder({ config, log }: EmbeddedOptions, registering: Registering): Promise<Folder> {
  const [{ DagFolder }, { watchDags }, { operators }] = await Promise.all([
    import('./dag/load-folder.js'),
    import('./dag/watch.js'),
    import('../operators/index.js'),
  ])
  const folder = new DagFolder(compileOptions(config, operators))
  let failed: (error: unknown) => void = () => undefined
  const failure = new Promise<never>((_, reject) => {
    failed = reject
  })
  const watch = watchDags({
    folder,
    onReading: (reading) => registering.take(reading),
    onError: (error) => {
      failed(error)
      log.error({ err: error }, 'the DAGs folder could not be read; trying again')
    },
  })
  const first = Promise.race([watch.refresh(), failure])
  // awaited later; a failure meanwhile is not unhandled
  first.catch(() => undefined)
  failure.catch(() => undefined)
  return { watch, first }
}

/** Readings wait here until there is a scheduler to register them with. */
class Registering {
  #ready: (register: ((reading: FolderReading) => Promise<void>) | null) => void = () => undefined
  readonly #register = new Promise<((reading: FolderReading) => Promise<void>) | null>((resolve) => {
    this.#ready = resolve
  })

  async take(reading: FolderReading): Promise<void> {
    const register = await this.#register
    await register?.(reading)
  }

  begin(register: (reading: FolderReading) => Promise<void>): void {
    this.#ready(register)
  }

  refuse(): void {
    this.#ready(null)
  }
}

async function joined(
  options: EmbeddedOptions,
  clock: Clock,
  opened: OpenStore,
  { watch, first }: Folder,
  registering: Registering,
  parts: Parts,
): Promise<Embedded> {
  const { config, log } = options
  const { store, database } = opened
  const taken = await takeOver(options, clock, store)
  const events = new Events()
  const queue = new LocalQueue()
  const lakehouse = await parts.openTables(ownLakehouseConfig(config))
  const tables = new parts.RecordedTables(lakehouse, database, Object.keys(config.catalogs))
  const watches = parts.openWatches(config, tables, clock)
  const ports = {
    ...{ queue, clock, events, watches, log, random: Math.random, timetable: parts.timetable },
    projectAlerts: projectRecipients(config),
    earlyWarning: config.alerts.earlyWarning,
  }
  const { schedules = true } = options
  const seen = schedules ? store : await onlyTriggeredHere(opened)
  const { scheduler, worker } = neighbours(options, ports, { store: seen, database }, taken, parts)
  registering.begin(async (reading) => {
    await scheduler.register(reading)
    worker.serve(reading.dags.flatMap((dag) => dag.tasks.map((task) => task.queue)))
  })
  await first
  worker.start()
  scheduler.start()
  // what was lost of others' runs is settled by a Sluice that goes on with them
  if (schedules) for (const run of taken.runs) scheduler.run(run)

  const logStore = parts.openLogStore(config)
  const logs = new parts.AttemptLogs(logStore, events)
  // nobody else sends: what an earlier one was sending when it died is free at once
  await store.releaseMessages()
  const outbox = parts.startOutbox({ config, store, logs, clock, events, log })
  const commands = parts.createCommands({ ...ports, store: seen, wake: scheduler })
  const close = async () => {
    await watch.close()
    await worker.close(WHY_STOPPED)
    await scheduler.idle()
    await scheduler.stop()
    watches.close()
    await outbox.stop()
    await queue.close()
    await logStore.close()
    await taken.presence?.release()
    await store.close()
  }
  const broken = Promise.race([taken.presence === null ? opened.broken : taken.presence.displaced, worker.broken])
  return { config, store, database, scheduler, commands, events, logs, tables, worker, dags: watch, broken, close }
}

/** What is ours once a predecessor has been ended. */
interface Taken {
  /** null for a store in a folder, which has a lock of its own */
  presence: Presence | null
  instance: string
  /** the folder of the folders that attempts work in */
  work: string
  epoch: number
  /** runs whose attempts the predecessor has lost */
  runs: readonly string[]
}

async function takeOver({ config, log }: EmbeddedOptions, clock: Clock, store: Store): Promise<Taken> {
  const presence = await ownStore(config.store, clock, log)
  const instance = instanceOf(config.store)
  const work = join(config.project, '.sluice', 'work')
  await endLeftProcesses(instance, log)
  await removeLeftWork(work)
  const { epoch, runs } = await store.beginEpoch(WHY_LOST, clock.now())
  await store.setPools(config.pools)
  return { presence, instance, work, epoch, runs }
}

/** Scheduler and worker in one process: what one of them does the other hears of at once, and not by way of the store. */
function neighbours(
  { config, workers }: EmbeddedOptions,
  ports: Omit<Ports, 'store' | 'storeInOrder' | 'queue' | 'debugPoint'> & { queue: LocalQueue },
  { store, database }: Pick<OpenStore, 'store' | 'database'>,
  { instance, work, epoch }: Taken,
  { createScheduler, Supervisor, operators }: Parts,
): Pick<Embedded, 'scheduler' | 'worker'> {
  const storeInOrder = database.exclusive
  const reapExpired: Store['reapExpired'] = async (now) => {
    // a worker so near is heard before it counts as silent
    await worker.keepLeases()
    return store.reapExpired(now)
  }
  const scheduler = createScheduler({ ...ports, store: { ...store, reapExpired }, storeInOrder })
  const { project, dags, logs, catalogs, connections, cache, vars } = config
  const worker = new Supervisor({
    ...ports,
    id: 'embedded',
    epoch,
    slots: workers,
    queues: ['default'],
    store,
    operators,
    slotConfig: { project, dags, logs, work, catalogs, connections, cache, vars },
    instance,
    storeInOrder,
    recorded: (outcomes) => scheduler.recorded(outcomes),
    woken: (runId) => scheduler.run(runId),
  })
  return { scheduler, worker }
}

/** Our start ends the claims of all others, so nobody else may work on the store. A folder has a lock of its own. */
async function ownStore(store: string, clock: Clock, log: Log): Promise<Presence | null> {
  if (!store.includes('://')) return null
  const { announcePresence } = await import('./cluster/presence.js')
  return announcePresence(store, 'exclusive', clock, log)
}

/** One name for one store, in the environment of every process that works for it. */
function instanceOf(store: string): string {
  const place = store.includes('://') ? store : realpathSync(store)
  return createHash('sha256').update(place).digest('hex').slice(0, 32)
}
