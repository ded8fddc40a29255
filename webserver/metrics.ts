import { Gauge, Registry } from 'prom-client'
import { RUN_STATES, TASK_STATES } from '../scheduler/core/model.js'
import { metricCounts } from '../scheduler/store/reads/metrics.js'
import type { WebDeps } from './deps.js'

/** A worker that has not been heard of for this long does not count as alive. */
const ALIVE_MS = 60_000

export interface Metrics {
  contentType: string
  text(): Promise<string>
}

/** Prometheus metrics, read from the store when they are asked for: a few indexed counts. */
export function createMetrics({ database, now }: WebDeps): Metrics {
  const registry = new Registry()
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] })
  const runs = gauge('sluice_runs_active', 'Runs that are queued or running', ['state'])
  const tasks = gauge('sluice_tasks_active', 'Tasks that are not in a final state and wait for no other task', [
    'state',
  ])
  const dags = gauge('sluice_dags', 'DAGs whose file is present', ['paused'])
  const problems = gauge('sluice_dag_file_problems', 'Errors in DAG files')
  const lag = gauge('sluice_scheduler_lag_seconds', 'How long the earliest due DAG has been waiting for its run')
  const slots = gauge('sluice_worker_slots', 'Slots of workers that are alive', ['worker'])
  const busy = gauge('sluice_worker_slots_busy', 'Slots with an attempt, of workers that are alive', ['worker'])
  const silent = gauge('sluice_workers_silent', 'Workers whose heartbeat has stopped')
  const poolSize = gauge('sluice_pool_slots', 'Size of each pool', ['pool'])
  const poolTaken = gauge('sluice_pool_slots_taken', 'Queued and running tasks of each pool', ['pool'])
  const messages = gauge('sluice_alert_messages', 'Messages of alerts that are still to be sent, or were given up', [
    'state',
  ])
  const delay = gauge('sluice_alert_delay_seconds', 'How long the oldest message of alerts has been waiting to be sent')
  const slas = gauge('sluice_slas', 'SLAs of runs and tasks still at work that were missed, or will hardly be kept', [
    'state',
  ])
  return {
    contentType: registry.contentType,
    async text() {
      const instant = now()
      const counts = await metricCounts(database, instant, instant - ALIVE_MS)
      for (const state of RUN_STATES)
        if (state === 'queued' || state === 'running') runs.set({ state }, counts.runs[state] ?? 0)
      for (const state of TASK_STATES) if (state in counts.tasks) tasks.set({ state }, counts.tasks[state] ?? 0)
      dags.set({ paused: 'false' }, counts.dags - counts.paused)
      dags.set({ paused: 'true' }, counts.paused)
      problems.set(counts.problems)
      lag.set(counts.earliestDue === null ? 0 : Math.max(0, instant - counts.earliestDue) / 1000)
      messages.set({ state: 'waiting' }, counts.messagesWaiting)
      messages.set({ state: 'dead' }, counts.messagesDead)
      delay.set(counts.messageSince === null ? 0 : Math.max(0, instant - counts.messageSince) / 1000)
      slas.set({ state: 'missed' }, counts.slasMissed)
      slas.set({ state: 'at_risk' }, counts.slasAtRisk)
      for (const metric of [slots, busy, poolSize, poolTaken]) metric.reset()
      for (const worker of counts.workers) {
        slots.set({ worker: worker.id }, worker.slots)
        busy.set({ worker: worker.id }, worker.busy)
      }
      silent.set(counts.silent)
      for (const pool of counts.pools) {
        poolSize.set({ pool: pool.pool }, pool.size)
        poolTaken.set({ pool: pool.pool }, pool.taken)
      }
      return registry.metrics()
    },
  }
}
