import type { JsonObject } from '../../json.js'

/** What an application has done so far. Times in milliseconds of all tasks together, sizes in bytes. */
export interface SparkFigures {
  stagesDone: number
  stages: number
  tasksDone: number
  /** of the jobs submitted so far; it grows with each further job */
  tasks: number
  failedTasks: number
  rowsRead: number
  bytesRead: number
  rowsWritten: number
  bytesWritten: number
  shuffleRead: number
  shuffleWritten: number
  spilled: number
  taskMs: number
  gcMs: number
}

/** The figures of an application that has done nothing yet; each call gives its own, to be counted up. */
export function noFigures(): SparkFigures {
  return {
    stagesDone: 0,
    stages: 0,
    tasksDone: 0,
    tasks: 0,
    failedTasks: 0,
    rowsRead: 0,
    bytesRead: 0,
    rowsWritten: 0,
    bytesWritten: 0,
    shuffleRead: 0,
    shuffleWritten: 0,
    spilled: 0,
    taskMs: 0,
    gcMs: 0,
  }
}

/** The figures as an attempt's metrics. */
export function metricsOf(
  figures: SparkFigures,
  { applicationId, submissionId }: { applicationId: string | null; submissionId: string | null },
): JsonObject {
  return {
    ...(applicationId === null ? {} : { spark_application: applicationId }),
    ...(submissionId === null ? {} : { spark_driver: submissionId }),
    stages: figures.stagesDone,
    tasks: figures.tasksDone,
    failed_tasks: figures.failedTasks,
    rows_read: figures.rowsRead,
    bytes_read: figures.bytesRead,
    rows_written: figures.rowsWritten,
    bytes_written: figures.bytesWritten,
    shuffle_read_bytes: figures.shuffleRead,
    shuffle_written_bytes: figures.shuffleWritten,
    spilled_bytes: figures.spilled,
    task_time_ms: figures.taskMs,
    gc_time_ms: figures.gcMs,
  }
}

/** The figures as the live progress of an attempt; `total` is never below `done`. */
export function progressOf(figures: SparkFigures): JsonObject {
  return {
    done: figures.tasksDone,
    total: Math.max(figures.tasks, figures.tasksDone),
    unit: 'tasks',
    stages_done: figures.stagesDone,
    stages: Math.max(figures.stages, figures.stagesDone),
  }
}

/** `bronze.orders v12, 42 tasks, 1,205 rows written` */
export function summaryOf(figures: SparkFigures, commits: readonly { table: string; version: number }[]): string {
  const count = (value: number) => value.toLocaleString('en-US')
  const tables = commits.map(({ table, version }) => `${table} v${version}`)
  const shown = tables.length > 3 ? [...tables.slice(0, 3), `${tables.length - 3} more commits`] : tables
  return [
    ...shown,
    `${count(figures.tasksDone)} ${figures.tasksDone === 1 ? 'task' : 'tasks'}`,
    ...(figures.failedTasks > 0 ? [`${count(figures.failedTasks)} failed and retried`] : []),
    ...(figures.rowsWritten > 0 ? [`${count(figures.rowsWritten)} rows written`] : []),
  ].join(', ')
}
