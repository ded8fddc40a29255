import type { Tables } from '../../lakehouse/lakehouse.js'
import { openTables } from '../../lakehouse/open.js'
import { createCommands } from '../commands/create.js'
import type { Commands } from '../commands.js'
import { projectRecipients } from '../config.js'
import * as timetable from '../dag/schedule.js'
import type { Events } from '../events.js'
import { ownLakehouseConfig } from '../lakehouse-config.js'
import { RedisQueue } from '../queue/redis.js'
import { SchedulerBell } from '../queue/redis-wakes.js'
import { RecordedTables } from '../recorded-tables.js'
import { assertAnswers } from '../store/answers.js'
import type { Database } from '../store/database.js'
import type { Store } from '../store/store.js'
import { AttemptLogs } from '../worker/log-reader.js'
import { openLogStore } from '../worker/open-log-store.js'
import { joinCluster, type PartOptions } from './part.js'
import type { RunningPart } from './scheduler-part.js'

/** What a web server of a cluster is given: it reads the store, and acts through commands that ring for a scheduler. */
export interface WebPart extends RunningPart {
  store: Store
  database: Database
  commands: Commands
  events: Events
  logs: AttemptLogs
  tables: Tables
}

/**
 * Starts what a web server of a cluster needs; answering requests is the caller's part. close() lets go of everything.
 * @throws SluiceError as joinCluster() does, CONFIG_INVALID for a lakehouse that cannot be opened
 */
export async function startWebPart(options: PartOptions): Promise<WebPart> {
  const part = await joinCluster(options)
  const { config, store, database, clock, log, link, events } = part
  const logStore = openLogStore(config)
  const bell = new SchedulerBell(link)
  const wake = { run: (runId: string) => bell.run(runId), all: () => bell.all(), now: () => clock.now() }
  const ports = { store, queue: new RedisQueue(link), clock, events, timetable, random: Math.random, log }
  const projectAlerts = projectRecipients(config)
  return {
    ...{ store, database, events, broken: part.broken },
    commands: createCommands({ ...ports, projectAlerts, wake }),
    logs: new AttemptLogs(logStore, events),
    tables: new RecordedTables(await openTables(ownLakehouseConfig(config)), database, Object.keys(config.catalogs)),
    ready: () => assertAnswers(database),
    async close() {
      await logStore.close()
      await part.release()
    },
  }
}
