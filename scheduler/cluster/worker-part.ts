import { join } from 'node:path'
import { operators } from '../../operators/index.js'
import { SchedulerBell } from '../queue/redis-wakes.js'
import { RedisWork } from '../queue/redis-work.js'
import { assertAnswers } from '../store/answers.js'
import { endLeftProcesses } from '../worker/orphans.js'
import { Supervisor } from '../worker/supervisor.js'
import { removeLeftWork } from '../worker/work-folder.js'
import { joinCluster, type PartOptions } from './part.js'
import type { RunningPart } from './scheduler-part.js'
import { takeWorkerName } from './worker-name.js'

/** Between two looks at the store for work that no hint has told of, and while Redis is away. */
const LOOK_MS = 5_000
const LOOK_WITHOUT_REDIS_MS = 500

/** By then the leases of the worker that was here before have ended, and nobody has missed it yet. */
const SUCCEEDED_MS = 45_000

const MISSED = 'the worker that was here before could not be signed off; it will be missed'
const WHY_STOPPED = 'the worker was stopped while it ran'

export interface WorkerPartOptions extends PartOptions {
  queues: readonly string[]
  /** attempts at once */
  slots: number
}

export interface RunningWorker extends RunningPart {
  id: string
  /** claims nothing more; resolves once what runs has ended by itself */
  drain(): Promise<void>
}

/** A worker of a cluster: claims attempts of its queues and runs them in slot processes. */
export async function startWorkerPart(options: WorkerPartOptions): Promise<RunningWorker> {
  const part = await joinCluster(options)
  const { config, store, database, clock, log, link, events, namespace } = part
  const name = takeWorkerName(join(config.project, '.sluice', 'workers'), namespace)
  const instance = `${namespace}-${name.place}`
  await endLeftProcesses(instance, log)
  const work = join(name.folder, 'work')
  await removeLeftWork(work)
  const bell = new SchedulerBell(link)
  const hints = new RedisWork(link, options.queues)
  const { project, dags, logs, catalogs, connections, cache, vars } = config
  const worker = new Supervisor({
    id: name.id,
    epoch: await store.currentEpoch(),
    slots: options.slots,
    queues: options.queues,
    ...{ store, queue: hints, events, clock, log, operators, instance },
    slotConfig: { project, dags, logs, work, catalogs, connections, cache, vars },
    recorded: (outcomes) => bell.recorded(outcomes),
    woken: (runId) => bell.run(runId),
    lookMs: () => (link.ready ? LOOK_MS : LOOK_WITHOUT_REDIS_MS),
  })
  worker.start()
  const { before } = name
  const forgetBefore = clock.at(clock.now() + SUCCEEDED_MS, () => {
    if (before !== null) store.removeWorker(before).catch((error: unknown) => log.warn({ err: error }, MISSED))
  })
  return {
    id: name.id,
    ready: () => assertAnswers(database),
    broken: Promise.race([part.broken, worker.broken, name.lost]),
    async drain() {
      await hints.close()
      await worker.drain()
    },
    async close() {
      forgetBefore()
      await hints.close()
      await worker.close(WHY_STOPPED)
      await part.release()
      name.release()
    },
  }
}
