import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AttemptShape, RunShape } from '../../../scheduler/shapes.js'
import { eventually } from '../../e2e/eventually.js'
import { deltaRows } from '../../e2e/faults/delta-rows.js'
import { jobJar, SparkCluster } from '../spark-cluster.js'
import { sparkConnection } from '../spark-services.js'
import { Cluster } from './cluster.js'
import { OwnRedis } from './own-redis.js'
import { commandOf, isAlive, processTree, signalAll } from './process-tree.js'

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

/** Several JVMs have to start, and the machine may have other things to do. */
const JVM_MS = 300_000

let redis: OwnRedis
const spark = new SparkCluster()
const sparkFolder = mkdtempSync(join(tmpdir(), 'sluice-spark-'))
let cluster: Cluster
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
  await cluster.remove()
})

async function clusterWith(connection: Record<string, unknown>, task: (cluster: Cluster) => Record<string, unknown>) {
  const where = { postgres: process.env.PG_DSN ?? '', redis: redis.url }
  cluster = await Cluster.create(where, {
    'sluice.yaml': `connections: ${JSON.stringify({ spark: sparkConnection(connection) })}\n`,
    'jobs/job.py': JOB,
  })
  mkdirSync(join(cluster.folder, 'signs'))
  const dag = { dag: 'job', defaults: { retries: 3, retry_delay: '0s' }, tasks: { job: task(cluster) } }
  await cluster.write('dags/job.yaml', JSON.stringify(dag))
  await cluster.start('webserver')
  await cluster.start('scheduler')
  const worker = await cluster.start('worker')
  await cluster.knows('job')
  return worker
}

const signs = () => join(cluster.folder, 'signs')
const table = () => join(cluster.folder, 'data/lake/bronze/rows')
const started = () => readdirSync(signs()).filter((name) => name.startsWith('started'))
const attemptsOf = (run: string) => cluster.call<AttemptShape[]>('GET', `/runs/${run}/tasks/job/attempts`)

/** A job whose driver runs inside the standalone cluster. */
const insideCluster = (jar: string) =>
  clusterWith(
    { master: spark.master, submission_url: spark.submissionUrl, conf: { 'spark.master.rest.enabled': true } },
    (made) => ({
      spark_submit: {
        application: jar,
        class: 'Work',
        args: [join(made.folder, 'signs'), join(made.folder, 'data/lake/bronze/rows')],
        deploy_mode: 'cluster',
        driver_memory: '512m',
        executor_memory: '512m',
        total_executor_cores: 1,
        conf: { 'spark.ui.enabled': true },
        writes: ['bronze.rows'],
      },
    }),
  )

describe('a worker that is killed while its Spark job runs', () => {
  it('takes the driver with it; the next attempt submits anew, and each row is there once', async () => {
    const worker = await clusterWith({}, ({ folder }) => ({
      spark_submit: {
        application: '../jobs/job.py',
        args: [join(folder, 'signs'), join(folder, 'data/lake/bronze/rows')],
        writes: ['bronze.rows'],
      },
    }))
    const run = await cluster.trigger('job')
    await eventually(JVM_MS, async () => (started().length === 1 ? true : null))
    // the whole machine as far as the worker goes: no slot is left that could clear up
    const tree = processTree(worker.pid)
    const ours = tree.filter((pid) => pid === worker.pid || commandOf(pid).includes('slot.js'))
    const drivers = tree.filter((pid) => commandOf(pid).includes('org.apache.spark.deploy.SparkSubmit'))
    expect(ours.length).toBeGreaterThan(1)
    expect(drivers).toHaveLength(1)
    signalAll(ours, 'SIGKILL')
    await worker.end('SIGKILL')
    expect(drivers.every(isAlive)).toBe(true)
    // a new worker of the same machine ends what its predecessor has left
    await cluster.start('worker')
    await eventually(10_000, async () => (tree.some(isAlive) ? null : true))
    await eventually(JVM_MS, async () => (started().length === 2 ? true : null))
    writeFileSync(join(signs(), 'go'), '')
    expect((await cluster.ended([run], JVM_MS)).get(run)).toBe('success')
    expect(started()).toEqual(['started-1', 'started-2'])
    const [first, second] = (await attemptsOf(run)).sort((a, b) => a.attempt - b.attempt)
    expect(first).toMatchObject({ result: 'lost', reason: expect.stringMatching(/worker/) })
    expect(second).toMatchObject({ result: 'success' })
    expect(await deltaRows(table())).toHaveLength(100)
    // the commit of the first attempt carries the token of the task: it is linked to the run all the same
    const { tasks } = await cluster.call<RunShape>('GET', `/runs/${run}`)
    expect(tasks).toMatchObject([{ state: 'success', attempt: 2, tables: [{ table: 'bronze.rows', version: 0 }] }])
  }, 900_000)

  it('leaves a driver inside a standalone cluster alone; the next attempt follows it to its end', async () => {
    const jar = jobJar(sparkFolder)
    await spark.start(sparkFolder)
    const worker = await insideCluster(jar)
    const run = await cluster.trigger('job')
    await eventually(JVM_MS, async () => (started().length === 1 ? true : null))
    const running = (await spark.running()).sort()
    expect(running).toHaveLength(2)
    signalAll(processTree(worker.pid), 'SIGKILL')
    await worker.end('SIGKILL')
    await cluster.start('worker')
    await eventually(90_000, async () => ((await attemptsOf(run)).length === 2 ? true : null))
    expect((await spark.running()).sort()).toEqual(running)
    writeFileSync(join(signs(), 'go'), '')
    expect((await cluster.ended([run], JVM_MS)).get(run)).toBe('success')
    expect(started()).toHaveLength(1)
    expect(await spark.running()).toEqual([])
    expect((await attemptsOf(run)).map(({ result }) => result).sort()).toEqual(['lost', 'success'])
    expect(await deltaRows(table())).toHaveLength(1000)
    const { tasks } = await cluster.call<RunShape>('GET', `/runs/${run}`)
    expect(tasks).toMatchObject([{ state: 'success', attempt: 2, tables: [{ table: 'bronze.rows', version: 0 }] }])
  }, 900_000)

  it('leaves a driver to nobody when its task is cancelled: another worker ends it', async () => {
    const worker = await insideCluster(join(sparkFolder, 'job.jar'))
    const run = await cluster.trigger('job')
    await eventually(JVM_MS, async () => (started().length === 1 ? true : null))
    signalAll(processTree(worker.pid), 'SIGKILL')
    await worker.end('SIGKILL')
    await cluster.call('POST', `/runs/${run}/cancel`, {})
    await cluster.start('worker')
    expect((await cluster.ended([run], 120_000)).get(run)).toBe('cancelled')
    await eventually(20_000, async () => ((await spark.running()).length === 0 ? true : null))
    expect(await attemptsOf(run)).toMatchObject([{ attempt: 1, result: 'lost' }])
    const log = await cluster.text(`/api/v1/runs/${run}/tasks/job/attempts/1/log`)
    expect(log).toMatch(/Ending the driver driver-\S+ in the cluster\./)
  }, 900_000)
})
