import { isoInstant } from '../../json.js'
import { type AlertEvent, destinationsOf } from '../core/alert.js'
import type { Ports } from './ports.js'

/** Two leases without a heartbeat: what the worker held has been taken from it by then. */
const SILENT_MS = 60_000

/**
 * Raises an alert for each worker that has gone silent. One that stops by itself signs off; the last heartbeat is part of
 * the alert's key, so each silence is told once however many schedulers see it.
 */
export async function tellOfSilentWorkers({ store, clock, events, projectAlerts }: Ports): Promise<void> {
  if (projectAlerts === null) return
  const now = clock.now()
  const silent = (await store.workers(now)).filter(({ heartbeatAt }) => now - heartbeatAt >= SILENT_MS)
  if (silent.length === 0) return
  const alerts = silent.map(({ id, host, heartbeatAt, busy, queues }): AlertEvent => {
    return {
      key: `worker_gone ${id} ${isoInstant(heartbeatAt)}`,
      kind: 'worker_gone',
      subject: `worker ${id}`,
      dagId: null,
      runId: null,
      taskId: null,
      payload: {
        since: isoInstant(heartbeatAt),
        claims: busy,
        reason: `It ran on ${host} and served ${queues.join(', ')}.`,
      },
      destinations: destinationsOf(projectAlerts),
      after: null,
    }
  })
  if ((await store.raiseAlerts(alerts, now)).length > 0) events.emit({ kind: 'alerts' })
}
