import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RunShape } from '../../../scheduler/shapes.js'
import { eventually } from '../../e2e/eventually.js'
import { deltaRows } from '../../e2e/faults/delta-rows.js'
import { jobJar, SparkCluster } from '../spark-cluster.js'
import { OwnRedis } from './own-redis.js'
import { commandOf, processTree, signalAll } from './process-tree.js'
import { JVM_MS, SparkJob } from './spark-job.js'

let redis: OwnRedis
const folder = mkdtempSync(join(tmpdir(), 'sluice-spark-'))
const spark = new SparkCluster()
let jar = ''
let job: SparkJob
beforeAll(async () => {
  if ((process.env.PG_DSN ?? '') === '') throw new Error('PG_DSN must name a PostgreSQL server')
  redis = await OwnRedis.start()
  jar = jobJar(folder)
  await spark.start(folder)
})
afterEach(async () => {
  // a driver that a failed test has left would keep the cores of the cluster
  job.go()
  await job.cluster.remove()
})
afterAll(async () => {
  await spark.stop()
  rmSync(folder, { recursive: true, force: true })
  await redis.down()
})

/** A program in place of spark-submit; `$SUBMIT` is the real one. */
function submitter(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\nSUBMIT=${process.env.SPARK_SUBMIT ?? ''}\n${text}\n`)
  chmodSync(path, 0o755)
  return path
}

/** Submits and keeps to itself what the master answers: the window between the answer and its arrival, held open. */
const silent = () => submitter('silent-submit', `"$SUBMIT" "$@" > ${folder}/said 2>&1; exec sleep 900`)

const inside = (submit: string) => SparkJob.inside(spark, jar, redis.url, { submit })

describe('a worker that is killed between the submission of a driver and the arrival of its id', () => {
  it('leaves a driver that the next attempt finds by its mark and follows', async () => {
    const before = await spark.drivers()
    job = await inside(silent())
    const run = await job.cluster.trigger('job')
    await eventually(JVM_MS, async () => (job.started().length === 1 ? true : null))
    expect(await job.log(run, 1)).not.toContain('driver-')
    signalAll(processTree(job.worker.pid), 'SIGKILL')
    await job.worker.end('SIGKILL')
    await job.cluster.start('worker')
    const [driver = ''] = (await spark.drivers()).filter((id) => !before.includes(id))
    await eventually(JVM_MS, async () => {
      const log = (await job.attempts(run)).length === 2 ? await job.log(run, 2) : ''
      return log.includes(`Following the driver ${driver}, which an earlier attempt has submitted.`) ? true : null
    })
    job.go()
    expect((await job.cluster.ended([run], JVM_MS)).get(run)).toBe('success')
    expect(job.started()).toHaveLength(1)
    expect(await spark.drivers()).toEqual([...before, driver])
    expect(await deltaRows(job.table)).toHaveLength(1000)
    const { tasks } = await job.cluster.call<RunShape>('GET', `/runs/${run}`)
    expect(tasks).toMatchObject([{ state: 'success', attempt: 2, tables: [{ table: 'bronze.rows', version: 0 }] }])
  }, 900_000)

  it('leaves a driver to nobody when its task is cancelled: another worker finds and ends it', async () => {
    job = await inside(silent())
    const run = await job.cluster.trigger('job')
    await eventually(JVM_MS, async () => (job.started().length === 1 ? true : null))
    signalAll(processTree(job.worker.pid), 'SIGKILL')
    await job.worker.end('SIGKILL')
    await job.cluster.call('POST', `/runs/${run}/cancel`, {})
    await job.cluster.start('worker')
    expect((await job.cluster.ended([run], 120_000)).get(run)).toBe('cancelled')
    await eventually(60_000, async () => ((await spark.running()).length === 0 ? true : null))
    await job.toldOfEnd(run)
  }, 900_000)

  it('leaves a spark-submit that comes to submit nothing: the next attempt ends it first', async () => {
    const before = await spark.drivers()
    const [waits, late] = [join(folder, 'waits'), join(folder, 'late')]
    const slow = `if [ ! -e ${waits} ]; then : > ${waits}; while [ ! -e ${late} ]; do sleep 0.1; done; fi`
    job = await inside(submitter('slow-submit', `${slow}\nexec "$SUBMIT" "$@"`))
    const run = await job.cluster.trigger('job')
    await eventually(JVM_MS, async () => (existsSync(waits) ? true : null))
    const tree = processTree(job.worker.pid)
    signalAll(
      tree.filter((pid) => pid === job.worker.pid || commandOf(pid).includes('slot.js')),
      'SIGKILL',
    )
    await job.worker.end('SIGKILL')
    expect(tree.some((pid) => commandOf(pid).includes('slow-submit'))).toBe(true)
    await job.cluster.start('worker')
    await eventually(JVM_MS, async () => (job.started().length === 1 ? true : null))
    writeFileSync(late, '')
    expect(tree.some((pid) => commandOf(pid).includes('slow-submit'))).toBe(false)
    expect(await job.log(run, 2)).toContain('The earlier attempt has submitted no driver.')
    job.go()
    expect((await job.cluster.ended([run], JVM_MS)).get(run)).toBe('success')
    expect((await spark.drivers()).length).toBe(before.length + 1)
    expect(await deltaRows(job.table)).toHaveLength(1000)
  }, 900_000)
})
