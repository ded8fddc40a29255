import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import { SubmissionServer } from '../../operators/spark/submission-server.js'
import { sparkSubmit } from '../../operators/spark-submit.js'
import { failureOf, type TestContext, TestProject } from '../operators/operator-context.js'
import { jobJar, SparkCluster, until } from './spark-cluster.js'
import { sparkConnection } from './spark-services.js'

// A JVM takes its time to start, and longer on a machine that is busy.
vi.setConfig({ testTimeout: 300_000 })

const project = new TestProject()
const cluster = new SparkCluster()
let jar = ''
let folder = ''
let handles: Json[] = []

beforeAll(async () => {
  jar = jobJar(join(project.root, 'jar'))
  await cluster.start(project.root)
})
beforeEach(() => {
  handles = []
  folder = mkdtempSync(join(project.root, 'job-'))
})
afterAll(async () => {
  await cluster.stop()
  project.remove()
})

function context(files: Record<string, string> = {}): TestContext {
  const { master, submissionUrl } = cluster
  const spark = sparkConnection({ master, submission_url: submissionUrl, conf: { 'spark.master.rest.enabled': true } })
  const ctx = project.context(files, { connections: { spark }, token: 'sales/run-1/job/1' })
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
const state = async () =>
  (await new SubmissionServer(cluster.submissionUrl).status(String(driver()), AbortSignal.timeout(5_000))).state

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

  it('runs a driver inside the cluster; another attempt follows it instead of submitting again', async () => {
    const first = sparkSubmit.run(inCluster(0), context())
    await until('the driver is known and started', async () => driver() !== undefined && started() === 1)
    const ctx = context()
    const second = sparkSubmit.reattach?.(handles.at(-1) ?? null, inCluster(0), ctx)
    await until('the second attempt follows it', async () => ctx.lines.some((line) => line.includes('is running')))
    go()
    expect((await first).metrics?.spark_application).toBe(driver())
    expect((await second)?.metrics?.spark_application).toBe(driver())
    expect(started()).toBe(1)
  })

  it('ends the driver in the cluster at a cancel', async () => {
    const ctx = context()
    const run = failureOf(sparkSubmit.run(inCluster(0), ctx))
    await until('the driver is known and started', async () => driver() !== undefined && started() === 1)
    const reason = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(reason)
    expect(await run).toBe(reason)
    await until('the driver is killed', async () => (await state()) === 'KILLED')
  })

  it('fails with the driver, which the next attempt then submits anew', async () => {
    go()
    const failure = await failureOf(sparkSubmit.run(inCluster(3), context()))
    expect(failure.message).toMatch(/^The driver driver-\d{14}-\d{4} ended as FAILED/)
    expect(handles.at(-1)).toBeNull()
    const failed = handles.findLast((handle) => (handle as JsonObject | null)?.submissionId != null) ?? null
    await sparkSubmit.reattach?.(failed, inCluster(0), context())
    expect(started()).toBe(2)
  })
})
