import type { Instant } from '../../json.js'
import type { WorkerInfo } from '../../scheduler/store/store.js'
import { roughDuration } from './duration.js'
import { countOf } from './numbers.js'
import { timeLine } from './time.js'

/** A worker that has not been heard of for this long is shown as silent. */
export const WORKER_ALIVE_MS = 60_000
const SLOTS_DRAWN = 32

/** Workers with their slots as small squares. */
export function workersView(workers: readonly WorkerInfo[], now: Instant) {
  const alive = workers.filter((worker) => now - worker.heartbeatAt < WORKER_ALIVE_MS)
  const sum = (pick: (worker: WorkerInfo) => number) => alive.reduce((total, worker) => total + pick(worker), 0)
  return {
    summary:
      workers.length === 0
        ? 'none has reported'
        : `${sum((worker) => worker.busy)} of ${countOf(
            sum((worker) => worker.slots),
            'slot',
          )} busy`,
    rows: workers.map((worker) => ({
      id: worker.id,
      host: `${worker.host}, process ${worker.pid}`,
      queues: worker.queues.join(', '),
      silent: now - worker.heartbeatAt >= WORKER_ALIVE_MS,
      busy: worker.busy,
      slots: worker.slots,
      squares: Array.from({ length: Math.min(worker.slots, SLOTS_DRAWN) }, (_, slot) => ({
        x: slot * 13,
        kind: slot < worker.busy ? 'fill' : 'track',
      })),
      width: Math.min(worker.slots, SLOTS_DRAWN) * 13,
      heartbeat: roughDuration(now - worker.heartbeatAt),
      started: timeLine(worker.startedAt, 'UTC', now),
    })),
  }
}
