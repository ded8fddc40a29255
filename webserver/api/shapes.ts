import { formatDuration } from '../../duration.js'
import { isoInstant, isoInstantOrNull } from '../../json.js'
import type { TableSummary, TableVersion } from '../../lakehouse/lakehouse.js'
import type { Run } from '../../scheduler/core/model.js'
import type { Dag, Schedule } from '../../scheduler/dag/model.js'
import type { Missed } from '../../scheduler/loop/catchup.js'
import type {
  AttemptShape,
  DagShape,
  ItemShape,
  MissedShape,
  RunListEntry,
  RunShape,
  ScheduleShape,
  TableShape,
  TableVersionShape,
  TaskShape,
  WorkerShape,
} from '../../scheduler/shapes.js'
import type { RunListRow } from '../../scheduler/store/reads/run-list.js'
import type { RunAttempt, RunTask } from '../../scheduler/store/reads/run-page.js'
import type { RegisteredDag, WorkerInfo } from '../../scheduler/store/store.js'
import type { Lineage } from '../present/run-view.js'

/**
 * A DAG as it is registered now, by the declaration of its current version.
 * @param dag of the version that `registered` names
 */
export function dagShape(registered: RegisteredDag, dag: Dag): DagShape {
  return {
    dag: registered.id,
    file: registered.file,
    version: registered.version,
    description: dag.description,
    owner: dag.owner,
    tags: dag.tags,
    schedule: dag.schedule === null ? null : scheduleShape(dag.schedule),
    paused: registered.paused,
    pause_reason: registered.pauseReason,
    present: registered.present,
    next_due: isoInstantOrNull(registered.nextDueAt),
    params: { ...dag.params },
    tasks: dag.tasks.map((task) => ({ task: task.id, operator: task.operator, needs: task.needs })),
  }
}

function scheduleShape({ crons, everyMs, timezone, skip, businessDays, end }: Schedule): ScheduleShape {
  return {
    cron: crons.length === 1 ? (crons[0] ?? null) : null,
    crons,
    every: everyMs === null ? null : formatDuration(everyMs),
    timezone,
    skip,
    business_days: businessDays,
    end: isoInstantOrNull(end),
  }
}

/** What was due while a DAG was paused: how many due instants, and how many of them its `catchup` makes up for. */
export function missedShape({ count, first, last, makes }: Missed): MissedShape {
  return { slots: count, first_due: isoInstantOrNull(first), last_due: isoInstantOrNull(last), makes }
}

/** A run as lists and events show it; the web view's own lists are made elsewhere. */
export function runEntry(
  run: Pick<RunListRow, 'runId' | 'dagId' | 'state' | 'dueAt' | 'startedAt' | 'endedAt'>,
): RunListEntry {
  return {
    run: run.runId,
    dag: run.dagId,
    state: run.state,
    due: isoInstant(run.dueAt),
    started_at: isoInstantOrNull(run.startedAt),
    ended_at: isoInstantOrNull(run.endedAt),
  }
}

/**
 * A whole run.
 * @param tasks in the order they are shown in, from taskShape(); without the items of `for_each`
 */
export function runShape(run: Run, tasks: TaskShape[]): RunShape {
  return {
    ...runEntry({ ...run, runId: run.id }),
    kind: run.kind,
    version: run.version,
    interval: { start: isoInstant(run.intervalStart), end: isoInstant(run.intervalEnd) },
    params: run.params,
    triggered_by: run.triggeredBy,
    trigger: run.trigger,
    reason: run.reason,
    tasks,
  }
}

/** Tables and checks are those of the newest attempt that left any. */
export function taskShape(task: RunTask, lineage: readonly Lineage[]): TaskShape {
  const last = lineage
    .filter((entry) => entry.taskId === task.taskId)
    .sort((a, b) => a.attempt - b.attempt)
    .at(-1)
  return {
    task: task.taskId,
    state: task.state,
    attempt: task.attempt,
    started_at: isoInstantOrNull(task.startedAt),
    ended_at: isoInstantOrNull(task.endedAt),
    reason: task.reason,
    tables: (last?.writes ?? []).map((write) => ({
      table: write.table,
      version: write.version,
      version_before: write.versionBefore,
      rows_added: write.rowsAdded,
      rows_updated: write.rowsUpdated,
      rows_removed: write.rowsRemoved,
    })),
    checks: (last?.checks ?? []).map((check) => ({
      name: check.name,
      table: check.table,
      severity: check.severity,
      passed: check.passed,
      failing_rows: check.failingRows,
      measured: check.measured,
      sample: check.sample,
      message: check.message,
    })),
  }
}

/** An item of a `for_each`: `task` is the id of its row, `item` the value it was made for. */
export function itemShape(item: RunTask): ItemShape {
  return {
    task: item.taskId,
    item: item.item,
    state: item.state,
    attempt: item.attempt,
    started_at: isoInstantOrNull(item.startedAt),
    ended_at: isoInstantOrNull(item.endedAt),
    reason: item.reason,
  }
}

/** One try of a task. It starts with its claim by a worker, and `result` is null until it has ended. */
export function attemptShape(attempt: RunAttempt): AttemptShape {
  return {
    attempt: attempt.attempt,
    generation: attempt.generation,
    worker: attempt.workerId,
    result: attempt.result,
    reason: attempt.reason,
    started_at: isoInstant(attempt.claimedAt),
    ended_at: isoInstantOrNull(attempt.endedAt),
    log_lines: attempt.logLines,
  }
}

/**
 * A table at its newest version; `rows` is null where they are not counted without reading the data, `bytes` are those
 * of its live files.
 */
export function tableShape(table: TableSummary): TableShape {
  return {
    table: table.table,
    format: table.format,
    version: table.version,
    rows: table.rows,
    bytes: table.bytes,
    files: table.files,
    changed_at: isoInstant(table.changedAt),
    location: table.location,
  }
}

/**
 * A version and where it comes from: run, task and attempt, or else the user who rolled back; all null for the commit
 * of another program.
 */
export function tableVersionShape(version: TableVersion): TableVersionShape {
  return {
    version: version.version,
    committed_at: isoInstant(version.committedAt),
    operation: version.operation,
    run: version.run,
    task: version.task,
    attempt: version.attempt,
    user: version.user,
    reason: version.reason,
    rows_added: version.rowsAdded,
    rows_updated: version.rowsUpdated,
    rows_removed: version.rowsRemoved,
  }
}

/** A worker by its last heartbeat; `busy` counts the slots that had an attempt then. */
export function workerShape(worker: WorkerInfo): WorkerShape {
  return {
    worker: worker.id,
    host: worker.host,
    pid: worker.pid,
    queues: worker.queues,
    slots: worker.slots,
    busy: worker.busy,
    started_at: isoInstant(worker.startedAt),
    heartbeat_at: isoInstant(worker.heartbeatAt),
  }
}
