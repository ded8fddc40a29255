import { openTables } from '../../lakehouse/open.js'
import { operators } from '../../operators/index.js'
import { startOutbox } from '../alerts/start-outbox.js'
import { compileOptions } from '../compile-options.js'
import { projectRecipients } from '../config.js'
import { DagFolder } from '../dag/load-folder.js'
import * as timetable from '../dag/schedule.js'
import { ownLakehouseConfig } from '../lakehouse-config.js'
import { RedisQueue } from '../queue/redis.js'
import { listenForBell } from '../queue/redis-wakes.js'
import { RecordedTables } from '../recorded-tables.js'
import { createScheduler } from '../scheduler.js'
import { assertAnswers } from '../store/answers.js'
import { openWatches } from '../triggers/watches.js'
import { AttemptLogs } from '../worker/log-reader.js'
import { openLogStore } from '../worker/open-log-store.js'
import { joinCluster, type PartOptions } from './part.js'
import { Registrar } from './registrar.js'

/** Between two sweeps while hints arrive, and while Redis is away. */
const SWEEP_MS = 5_000
const SWEEP_WITHOUT_REDIS_MS = 1_000

export interface RunningPart {
  /** asks the store; rejects when it does not answer */
  ready(): Promise<void>
  /** resolves with the reason when this process can do no more good and should end */
  broken: Promise<Error>
  close(): Promise<void>
}

/**
 * A scheduler of a cluster. Any number may run: the store decides each step once, and whatever one leaves undone the
 * others find with their next sweep.
 */
export async function startSchedulerPart(options: PartOptions): Promise<RunningPart> {
  const part = await joinCluster(options)
  const { config, store, database, clock, log, link, events } = part
  const opened = await openTables(ownLakehouseConfig(config))
  const tables = new RecordedTables(opened, database, Object.keys(config.catalogs))
  const watches = openWatches(config, tables, clock)
  const projectAlerts = projectRecipients(config)
  const ports = {
    store,
    queue: new RedisQueue(link),
    clock,
    events,
    timetable,
    watches,
    random: Math.random,
    log,
    projectAlerts,
    earlyWarning: config.alerts.earlyWarning,
  }
  const scheduler = createScheduler(ports, { sweepMs: () => (link.ready ? SWEEP_MS : SWEEP_WITHOUT_REDIS_MS) })
  const stopListening = listenForBell(link, scheduler)
  const registrar = new Registrar({
    storeUrl: config.store,
    pools: () => store.setPools(config.pools),
    folder: () => new DagFolder(compileOptions(config, operators)),
    register: (reading) => scheduler.register(reading),
    clock,
    log,
  })
  scheduler.start()
  const logStore = openLogStore(config)
  const outbox = startOutbox({ config, store, logs: new AttemptLogs(logStore, events), clock, events, log })
  await registrar.start()
  return {
    ready: () => assertAnswers(database),
    broken: part.broken,
    async close() {
      await registrar.close()
      await stopListening()
      await scheduler.idle()
      await scheduler.stop()
      watches.close()
      await outbox.stop()
      await logStore.close()
      await part.release()
    },
  }
}
