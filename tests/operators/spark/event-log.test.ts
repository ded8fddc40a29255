import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { figuresOf } from '../../../operators/spark/driver-pages.js'
import { EventLog } from '../../../operators/spark/event-log.js'
import { metricsOf, noFigures, progressOf, summaryOf } from '../../../operators/spark/figures.js'

let folder: string
let file: string
let log: EventLog
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-events-'))
  file = join(folder, 'app-1.inprogress')
  log = new EventLog(folder)
})
afterEach(async () => {
  await log.close()
  rmSync(folder, { recursive: true })
})

const line = (event: string, rest: object) => `${JSON.stringify({ Event: `SparkListener${event}`, ...rest })}\n`
const start = line('ApplicationStart', { 'App Name': 'x', 'App ID': 'app-1' })
const stages = (...counts: [number, number][]) =>
  counts.map(([id, tasks]) => ({ 'Stage ID': id, 'Number of Tasks': tasks }))
const jobStart = (job: number, ...counts: [number, number][]) =>
  line('JobStart', { 'Job ID': job, 'Stage Infos': stages(...counts) })
const task = (stage: number, reason = 'Success') =>
  line('TaskEnd', {
    'Stage ID': stage,
    'Task End Reason': { Reason: reason },
    'Task Metrics': {
      'Executor Run Time': 100,
      'JVM GC Time': 10,
      'Disk Bytes Spilled': 1,
      'Input Metrics': { 'Bytes Read': 50, 'Records Read': 5 },
      'Output Metrics': { 'Bytes Written': 30, 'Records Written': 3 },
      'Shuffle Read Metrics': { 'Remote Bytes Read': 4, 'Local Bytes Read': 3 },
      'Shuffle Write Metrics': { 'Shuffle Bytes Written': 2 },
    },
  })

describe('the event log', () => {
  it('is followed while it grows, whatever piece of a line has come, and across its renaming', async () => {
    await log.read()
    expect(log.applicationId).toBeNull()
    writeFileSync(file, start.slice(0, 20))
    await log.read()
    expect(log.applicationId).toBeNull()
    appendFileSync(file, start.slice(20) + jobStart(0, [0, 2], [1, 1]) + task(0))
    await log.read()
    expect(log.applicationId).toBe('app-1')
    expect(progressOf(log.figures)).toMatchObject({ done: 1, total: 3, stages_done: 0, stages: 2 })
    renameSync(file, join(folder, 'app-1'))
    appendFileSync(
      join(folder, 'app-1'),
      task(0) + line('StageCompleted', { 'Stage Info': { 'Stage ID': 0 } }) + task(1),
    )
    await log.read()
    expect(progressOf(log.figures)).toMatchObject({ done: 3, total: 3, stages_done: 1 })
  })

  it('sums up all tasks; what a failed one had written was thrown away', async () => {
    writeFileSync(file, start + task(0) + task(0, 'ExceptionFailure') + task(0, 'TaskKilled'))
    await log.read()
    expect(metricsOf(log.figures, { applicationId: 'app-1', submissionId: 'driver-1' })).toEqual({
      spark_application: 'app-1',
      spark_driver: 'driver-1',
      stages: 0,
      tasks: 1,
      failed_tasks: 1,
      rows_read: 15,
      bytes_read: 150,
      rows_written: 3,
      bytes_written: 30,
      shuffle_read_bytes: 21,
      shuffle_written_bytes: 6,
      spilled_bytes: 3,
      task_time_ms: 300,
      gc_time_ms: 30,
    })
  })

  it('takes stages that were not needed out of the total when their job ends', async () => {
    writeFileSync(file, start + jobStart(0, [0, 10], [1, 2]) + task(1) + task(1))
    appendFileSync(file, line('StageCompleted', { 'Stage Info': { 'Stage ID': 1 } }) + line('JobEnd', { 'Job ID': 0 }))
    await log.read()
    expect(progressOf(log.figures)).toMatchObject({ done: 2, total: 2, stages_done: 1, stages: 1 })
  })

  it('passes over an event longer than its bound and goes on after it', async () => {
    const junk = `"junk":"${'x'.repeat(17 * 1024 * 1024)}","Stage ID"`
    writeFileSync(file, start + task(0).replace('"Stage ID"', junk) + task(0))
    await log.read()
    expect(log.figures.tasksDone).toBe(1)
  })
})

it('figures of the driver’s pages', () => {
  const jobs = [{ numTasks: 12, numSkippedTasks: 2, numCompletedTasks: 4, numFailedTasks: 1 }]
  const pages = [
    { status: 'COMPLETE', inputBytes: 10, outputRecords: 3, jvmGcTime: 1 },
    { status: 'ACTIVE', inputBytes: 5, executorRunTime: 20 },
    { status: 'SKIPPED' },
  ]
  expect(figuresOf(jobs, pages)).toMatchObject({
    tasks: 10,
    tasksDone: 4,
    failedTasks: 1,
    bytesRead: 15,
    rowsWritten: 3,
  })
  expect(figuresOf(jobs, pages)).toMatchObject({ stages: 2, stagesDone: 1, gcMs: 1, taskMs: 20 })
})

it('the summary of a task', () => {
  const figures = { ...noFigures(), tasksDone: 42, failedTasks: 1, rowsWritten: 1205 }
  const commits = [{ table: 'bronze.orders', version: 12 }]
  expect(summaryOf(figures, commits)).toBe('bronze.orders v12, 42 tasks, 1 failed and retried, 1,205 rows written')
})
