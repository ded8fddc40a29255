import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RunShape } from '../../../scheduler/shapes.js'
import { eventually } from '../../e2e/eventually.js'
import { deltaRows } from '../../e2e/faults/delta-rows.js'
import { jobJar, SparkCluster } from '../spark-cluster.js'
import { OwnRedis } from './own-redis.js'
import { commandOf, isAlive, processTree, signalAll } from './process-tree.js'
import { JVM_MS, SparkJob } from './spark-job.js'

/** Writes once for its task, by the token; says that it has started, and waits. */
const JOB = `
import os, sys, time
from pyspark.sql import SparkSession
folder, table = sys.argv[1:3]
spark = SparkSession.builder.getOrCreate()
token = spark.conf.get("spark.sluice.token")
(spark.range(0, 100, 1, 2).write.format("delta").mode("append")
    .option("txnAppId", token).option("txnVersion", 1).save(table))
open(os.path.join(folder, "started-" + os.environ["SLUICE_ATTEMPT"]), "w").close()
while not os.path.exists(os.path.join(folder, "go")):
    time.sleep(0.05)
spark.stop()
`

let redis: OwnRedis
const spark = new SparkCluster()
const sparkFolder = mkdtempSync(join(tmpdir(), 'sluice-spark-'))
let job: SparkJob
beforeAll(async () => {
  if ((process.env.PG_DSN ?? '') === '') throw new Error('PG_DSN must name a PostgreSQL server')
  redis = await OwnRedis.start()
})
afterAll(async () => {
  await spark.stop()
  rmSync(sparkFolder, { recursive: true, force: true })
  await redis.down()
})
afterEach(async () => {
  await job.cluster.remove()
})

describe('a worker that is killed while its Spark job runs', () => {
  it('takes the driver with it; the next attempt submits anew, and each row is there once', async () => {
    const files = { 'jobs/job.py': JOB }
    job = await SparkJob.create({ redis: redis.url, connection: {}, files }, (folder) => ({
      spark_submit: {
        application: '../jobs/job.py',
        args: [join(folder, 'signs'), join(folder, 'data/lake/bronze/rows')],
        writes: ['bronze.rows'],
      },
    }))
    const run = await job.cluster.trigger('job')
    await eventually(JVM_MS, async () => (job.started().length === 1 ? true : null))
    // the whole machine as far as the worker goes: no slot is left that could clear up
    const tree = processTree(job.worker.pid)
    const ours = tree.filter((pid) => pid === job.worker.pid || commandOf(pid).includes('slot.js'))
    const drivers = tree.filter((pid) => commandOf(pid).includes('org.apache.spark.deploy.SparkSubmit'))
    expect(ours.length).toBeGreaterThan(1)
    expect(drivers).toHaveLength(1)
    signalAll(ours, 'SIGKILL')
    await job.worker.end('SIGKILL')
    expect(drivers.every(isAlive)).toBe(true)
    // a new worker of the same machine ends what its predecessor has left
    await job.cluster.start('worker')
    await eventually(60_000, async () => (tree.some(isAlive) ? null : true))
    await eventually(JVM_MS, async () => (job.started().length === 2 ? true : null))
    job.go()
    expect((await job.cluster.ended([run], JVM_MS)).get(run)).toBe('success')
    expect(job.started()).toEqual(['started-1', 'started-2'])
    const [first, second] = (await job.attempts(run)).sort((a, b) => a.attempt - b.attempt)
    expect(first).toMatchObject({ result: 'lost', reason: expect.stringMatching(/worker/) })
    expect(second).toMatchObject({ result: 'success' })
    expect(await deltaRows(job.table)).toHaveLength(100)
    // the commit of the first attempt carries the token of the task: it is linked to the run all the same
    const { tasks } = await job.cluster.call<RunShape>('GET', `/runs/${run}`)
    expect(tasks).toMatchObject([{ state: 'success', attempt: 2, tables: [{ table: 'bronze.rows', version: 0 }] }])
  }, 900_000)

  it('leaves a driver inside a standalone cluster alone; the next attempt follows it to its end', async () => {
    const jar = jobJar(sparkFolder)
    await spark.start(sparkFolder)
    job = await SparkJob.inside(spark, jar, redis.url)
    const run = await job.cluster.trigger('job')
    await eventually(JVM_MS, async () => (job.started().length === 1 ? true : null))
    const running = (await spark.running()).sort()
    expect(running).toHaveLength(2)
    signalAll(processTree(job.worker.pid), 'SIGKILL')
    await job.worker.end('SIGKILL')
    await job.cluster.start('worker')
    await eventually(90_000, async () => ((await job.attempts(run)).length === 2 ? true : null))
    expect((await spark.running()).sort()).toEqual(running)
    job.go()
    expect((await job.cluster.ended([run], JVM_MS)).get(run)).toBe('success')
    expect(job.started()).toHaveLength(1)
    await eventually(30_000, async () => ((await spark.running()).length === 0 ? true : null))
    expect((await job.attempts(run)).map(({ result }) => result).sort()).toEqual(['lost', 'success'])
    expect(await deltaRows(job.table)).toHaveLength(1000)
    const { tasks } = await job.cluster.call<RunShape>('GET', `/runs/${run}`)
    expect(tasks).toMatchObject([{ state: 'success', attempt: 2, tables: [{ table: 'bronze.rows', version: 0 }] }])
  }, 900_000)

  it('leaves a driver to nobody when its task is cancelled: another worker ends it', async () => {
    job = await SparkJob.inside(spark, join(sparkFolder, 'job.jar'), redis.url)
    const run = await job.cluster.trigger('job')
    await eventually(JVM_MS, async () => (job.started().length === 1 ? true : null))
    signalAll(processTree(job.worker.pid), 'SIGKILL')
    await job.worker.end('SIGKILL')
    await job.cluster.call('POST', `/runs/${run}/cancel`, {})
    await job.cluster.start('worker')
    expect((await job.cluster.ended([run], 120_000)).get(run)).toBe('cancelled')
    await eventually(60_000, async () => ((await spark.running()).length === 0 ? true : null))
    expect(await job.attempts(run)).toMatchObject([{ attempt: 1, result: 'lost' }])
    await job.toldOfEnd(run)
  }, 900_000)
})
