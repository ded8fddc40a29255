import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { processesWith } from '../../operators/process/process-group.js'
import { SubmissionServer } from '../../operators/spark/submission-server.js'
import { sparkSubmit } from '../../operators/spark-submit.js'
import { failureOf, type TestContext, TestProject } from '../operators/operator-context.js'
import { jobJar, SparkCluster, until } from './spark-cluster.js'
import { sparkConnection } from './spark-services.js'

// A JVM takes its time to start, and longer on a machine that is busy.
vi.setConfig({ testTimeout: 300_000 })

const project = new TestProject()
const cluster = new SparkCluster()
let lakehouse: Lakehouse
let jar = ''
let folder = ''
let handles: Json[] = []

beforeAll(async () => {
  lakehouse = await openLakehouse({
    project: project.project,
    catalogs: { lake: { format: 'delta', location: `${project.project}/lake` } },
    connections: { lakehouse: { type: 'duckdb', memory_limit: '512MB' } },
  })
  jar = jobJar(join(project.root, 'jar'))
  await cluster.start(project.root)
})
beforeEach(() => {
  handles = []
  folder = mkdtempSync(join(project.root, 'job-'))
})
afterAll(async () => {
  await lakehouse.close()
  await cluster.stop()
  project.remove()
})

function context(files: Record<string, string> = {}, connection: Record<string, unknown> = {}): TestContext {
  const { master, submissionUrl, webUrl } = cluster
  const conf = { 'spark.master.rest.enabled': true }
  const spark = sparkConnection({ master, submission_url: submissionUrl, web_url: webUrl, conf, ...connection })
  const around = { connections: { spark }, lakehouse: () => Promise.resolve(lakehouse), token: 'sales/run-1/job/1' }
  const ctx = project.context(files, around)
  return { ...ctx, now: Date.now, saveHandle: async (handle) => void handles.push(handle) }
}

const inCluster = (exitCode: number) => ({
  application: jar,
  class: 'Job',
  args: [folder, String(exitCode)],
  deploy_mode: 'cluster' as const,
  driver_memory: '512m',
})
const started = () => readdirSync(folder).filter((name) => name.startsWith('started')).length
const driver = () =>
  handles.map((handle) => (handle as JsonObject | null)?.submissionId).findLast((id) => typeof id === 'string')
const go = () => writeFileSync(join(folder, 'go'), '')
/** What of the job is alive on this machine, inside the cluster or not. */
const processes = () => processesWith(`SLUICE_SPARK_SUBMISSION=${(handles[0] as JsonObject).marker}`)
const state = async () =>
  (await new SubmissionServer([cluster.submissionUrl]).status(String(driver()), AbortSignal.timeout(5_000))).state

/** `Work`, which has a Spark session, writes a table, and gives itself another name than its task's. */
const work = (table: string) => ({
  ...inCluster(0),
  class: 'Work',
  args: [folder, `${project.project}/lake/${table.replace('.', '/')}`],
  executor_memory: '512m',
  total_executor_cores: 1,
  writes: [table],
  conf: { 'spark.ui.enabled': true, 'spark.driver.host': '127.0.0.1' },
})

describe('a standalone cluster', () => {
  it('runs a Python job in client mode on its executors', async () => {
    const job = `
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("sum", spark.range(1000).repartition(4).groupBy().sum("id").collect()[0][0])
`
    const ctx = context({ 'jobs/job.py': job })
    const result = await sparkSubmit.run({ application: 'jobs/job.py', executor_memory: '512m' }, ctx)
    expect(ctx.lines).toContain('info sum 499500')
    expect(result.metrics?.spark_application).toMatch(/^app-\d{14}-\d{4}$/)
    expect(Number(result.metrics?.shuffle_read_bytes)).toBeGreaterThan(0)
    expect(handles.at(-1)).toMatchObject({ manager: 'standalone', applicationId: result.metrics?.spark_application })
  })

  it('gives executors and a driver inside the cores that the task names', async () => {
    // without executor_cores, one executor would take both
    const job = `
import time
from pyspark.sql import SparkSession
tracker = SparkSession.builder.getOrCreate().sparkContext._jsc.sc().statusTracker()
deadline = time.monotonic() + 60
while len(tracker.getExecutorInfos()) < 1 + 2 and time.monotonic() < deadline:
    time.sleep(0.1)
print("executors", len(tracker.getExecutorInfos()) - 1)
`
    const ctx = context({ 'jobs/job.py': job })
    const cores = { executor_cores: 1, total_executor_cores: 2, executor_memory: '512m' }
    await sparkSubmit.run({ application: 'jobs/job.py', ...cores }, ctx)
    expect(ctx.lines).toContain('info executors 2')

    const run = sparkSubmit.run({ ...inCluster(0), driver_cores: 2 }, context())
    await until('the driver is known and started', async () => driver() !== undefined && started() === 1)
    expect(await cluster.coresOf(String(driver()))).toBe(2)
    go()
    await run
  })

  it('names what a job has raised, and not a master that was not needed', async () => {
    const job = `
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().range(10).count()
raise ValueError("no rows")
`
    const master = cluster.master.replace('spark://', 'spark://127.0.0.1:1,')
    const ctx = context({ 'jobs/job.py': job }, { master })
    const failure = await failureOf(sparkSubmit.run({ application: 'jobs/job.py', executor_memory: '512m' }, ctx))
    expect(ctx.lines.some((line) => line.includes('Failed to connect to master 127.0.0.1:1'))).toBe(true)
    expect(failure.message).toBe('ValueError: no rows (exit code 1)')
  })

  it('ends the application of a Python job at a cancel', async () => {
    const job = `
import time
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().range(10).count()
print("up")
time.sleep(600)
`
    const ctx = context({ 'jobs/job.py': job })
    const run = failureOf(sparkSubmit.run({ application: 'jobs/job.py', executor_memory: '512m' }, ctx))
    await until('the job is up', async () => ctx.lines.includes('info up'))
    await until('its application is known', async () => (handles.at(-1) as JsonObject).applicationId !== null)
    expect(await cluster.running()).toEqual([(handles.at(-1) as JsonObject).applicationId])
    const reason = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(reason)
    expect(await run).toBe(reason)
    await until('the master knows nothing that runs', async () => (await cluster.running()).length === 0)
    expect(processes()).toEqual([])
  })

  it('runs a driver inside the cluster; another attempt follows it instead of submitting again', async () => {
    const first = sparkSubmit.run(inCluster(0), context())
    await until('the driver is known and started', async () => driver() !== undefined && started() === 1)
    const ctx = context()
    const second = sparkSubmit.reattach?.(handles.at(-1) ?? null, inCluster(0), ctx)
    await until('the second attempt follows it', async () => ctx.lines.some((line) => line.includes('is running')))
    go()
    expect((await first).metrics?.spark_driver).toBe(driver())
    expect((await second)?.metrics?.spark_driver).toBe(driver())
    expect(started()).toBe(1)
  })

  it.each([
    ['the pages of a driver inside', undefined],
    ['an event log in a shared folder', join(project.root, 'events')],
  ])('shows progress and figures from %s', async (from, eventLog) => {
    const table = eventLog === undefined ? 'bronze.pages' : 'bronze.events'
    const progress: JsonObject[] = []
    const ctx = context({}, eventLog === undefined ? {} : { event_log: eventLog })
    const task = work(table)
    const run = sparkSubmit.run(task, { ...ctx, progress: (value) => void progress.push(value) })
    await until('the driver has written', async () => driver() !== undefined && started() === 1)
    await until('the application is known', async () => (handles.at(-1) as JsonObject).applicationId !== null)
    // four tasks and the two that wrote: pages that go with their driver tell nothing of what comes later
    await until('its progress is shown', async () => Number(progress.at(-1)?.done) >= 4 + 2)
    go()
    const { metrics, commits } = await run
    expect(metrics).toMatchObject({
      spark_application: expect.stringMatching(/^app-\d{14}-\d{4}$/),
      spark_driver: driver(),
      rows_written: 1000,
    })
    expect(Number(metrics?.shuffle_written_bytes)).toBeGreaterThan(0)
    expect(Number(metrics?.task_time_ms)).toBeGreaterThan(0)
    // the tasks after `go` are told by the event log for certain, by pages that go with their driver perhaps
    if (from.startsWith('an event log')) {
      expect(Number(metrics?.tasks)).toBeGreaterThanOrEqual(4 + 2 + 3)
      expect(readdirSync(join(project.root, 'events'))).toEqual([])
    }
    expect(commits).toMatchObject([{ table, version: 0, rowsAdded: 1000 }])
    expect(ctx.lines.filter((line) => /info The (driver|application) is /.test(line))).toHaveLength(2)
  })

  it('ends the driver in the cluster, and its application, at a cancel', async () => {
    const ctx = context()
    const run = failureOf(sparkSubmit.run(work('bronze.cancelled'), ctx))
    await until('the driver is known and started', async () => driver() !== undefined && started() === 1)
    expect(await cluster.running()).toHaveLength(2)
    const reason = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(reason)
    expect(await run).toBe(reason)
    await until('the driver is killed', async () => (await state()) === 'KILLED')
    await until('the master knows nothing that runs', async () => (await cluster.running()).length === 0)
    // the cluster's own worker has ended the driver's process, which has inherited the mark
    expect(processes()).toEqual([])
  })

  it('fails with the driver, which the next attempt then submits anew', async () => {
    go()
    const failure = await failureOf(sparkSubmit.run(inCluster(3), context()))
    expect(failure.message).toMatch(/^The driver driver-\d{14}-\d{4} ended as FAILED\.$/)
    expect(handles.at(-1)).toBeNull()
    const failed = handles.findLast((handle) => (handle as JsonObject | null)?.submissionId != null) ?? null
    await sparkSubmit.reattach?.(failed, inCluster(0), context())
    expect(started()).toBe(2)
  })

  it('brings the log of a driver inside while it runs, and to another attempt from its beginning', async () => {
    const ctx = context()
    const task = { ...inCluster(0), class: 'Talk', args: [folder, 'ends well'] }
    const first = sparkSubmit.run(task, ctx)
    await until('its first words are here', async () => ctx.lines.includes('info hello from the driver: Grüße'))
    await until('what it told on stderr too', async () => ctx.lines.includes('warn to stderr'))
    const next = context()
    const second = sparkSubmit.reattach?.(handles.at(-1) ?? null, task, next)
    await until('they are here too', async () => next.lines.includes('info hello from the driver: Grüße'))
    go()
    await Promise.all([first, second])
    for (const { lines } of [ctx, next]) {
      const told = lines.filter((line) => /^info line \d+$/.test(line))
      // more than the page of a worker gives at once
      expect(told).toEqual(Array.from({ length: 50_000 }, (_, n) => `info line ${n}`))
      expect(lines).toContain('info bye')
      expect(lines.filter((line) => /Launch Command|====/.test(line))).toEqual([])
    }
  })

  it.each([
    [
      'what the application has raised',
      'Talk',
      'raises',
      /^IllegalStateException: no rows \(the driver driver-\S+ ended as FAILED\)$/,
      true,
    ],
    [
      'that a class is missing',
      'no.Such',
      '',
      /^The class no\.Such is in none of the jars \(the driver driver-\S+ ended as FAILED\)\.$/,
      false,
    ],
    [
      'that memory ran out',
      'Talk',
      'fills',
      /^The driver or an executor ran out of memory \(Java heap space\) \(the driver driver-\S+ ended as FAILED\)\.$/,
      true,
    ],
  ])('says of a driver inside %s', async (_, name, what, message, retryable) => {
    go()
    const task = { ...inCluster(0), class: name, args: [folder, what] }
    const failure = await failureOf(sparkSubmit.run(task, context()))
    expect(failure.message).toMatch(message)
    expect(failure.cause).toMatchObject({ retryable })
  })

  it('says why the cluster could not start the driver', async () => {
    const task = { ...inCluster(0), application: `file:${folder}/no-such.jar` }
    const failure = await failureOf(sparkSubmit.run(task, context()))
    expect(failure.message).toMatch(/NoSuchFileException: \S+no-such\.jar \(exit code \d+\)$/)
  })

  it('says where the log of a driver lies that cannot be had', async () => {
    const ctx = context({}, { web_url: 'http://127.0.0.1:1' })
    const failure = await failureOf(sparkSubmit.run({ ...inCluster(0), class: 'no.Such' }, ctx))
    expect(failure.cause).toMatchObject({
      message: expect.stringMatching(/^The driver driver-\S+ ended as FAILED\.$/),
      hint: expect.stringMatching(/^The log of driver-\S+ lies on the worker of the cluster that ran it.*`web_url`/),
    })
    expect(ctx.lines.some((line) => line.startsWith('warn The log of driver-'))).toBe(true)
  })
})
