import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AttemptShape } from '../../../scheduler/shapes.js'
import { eventually } from '../../e2e/eventually.js'
import type { SparkCluster } from '../spark-cluster.js'
import { sparkConnection } from '../spark-services.js'
import { Cluster, type Part } from './cluster.js'

/** Several JVMs have to start, and the machine may have other things to do. */
export const JVM_MS = 300_000

/** A cluster with one DAG `job` that has one Spark task `job`, which tells by files that it has started and waits for `go`. */
export class SparkJob {
  private constructor(
    readonly cluster: Cluster,
    readonly worker: Part,
  ) {}

  /** @param task the task, given the folder of the project */
  static async create(
    {
      redis,
      connection,
      files = {},
    }: { redis: string; connection: Record<string, unknown>; files?: Record<string, string> },
    task: (folder: string) => Record<string, unknown>,
  ): Promise<SparkJob> {
    const cluster = await Cluster.create(
      { postgres: process.env.PG_DSN ?? '', redis },
      {
        'sluice.yaml': `connections: ${JSON.stringify({ spark: sparkConnection(connection) })}\n`,
        ...files,
      },
    )
    mkdirSync(join(cluster.folder, 'signs'))
    const dag = { dag: 'job', defaults: { retries: 3, retry_delay: '0s' }, tasks: { job: task(cluster.folder) } }
    await cluster.write('dags/job.yaml', JSON.stringify(dag))
    await cluster.start('webserver')
    await cluster.start('scheduler')
    const worker = await cluster.start('worker')
    await cluster.knows('job')
    return new SparkJob(cluster, worker)
  }

  /** A job whose driver runs inside the standalone cluster and writes 1,000 rows. */
  static inside(
    spark: SparkCluster,
    jar: string,
    redis: string,
    connection: Record<string, unknown> = {},
  ): Promise<SparkJob> {
    const { master, submissionUrl: submission_url, webUrl: web_url } = spark
    const conf = { 'spark.master.rest.enabled': true }
    return SparkJob.create(
      { redis, connection: { master, submission_url, web_url, conf, ...connection } },
      (folder) => ({
        spark_submit: {
          application: jar,
          class: 'Work',
          args: [join(folder, 'signs'), join(folder, 'data/lake/bronze/rows')],
          deploy_mode: 'cluster',
          driver_memory: '512m',
          executor_memory: '512m',
          total_executor_cores: 1,
          conf: { 'spark.ui.enabled': true },
          writes: ['bronze.rows'],
        },
      }),
    )
  }

  get signs(): string {
    return join(this.cluster.folder, 'signs')
  }

  get table(): string {
    return join(this.cluster.folder, 'data/lake/bronze/rows')
  }

  /** One for each start of the job. */
  started(): string[] {
    return readdirSync(this.signs).filter((name) => name.startsWith('started'))
  }

  go(): void {
    writeFileSync(join(this.signs, 'go'), '')
  }

  attempts(run: string): Promise<AttemptShape[]> {
    return this.cluster.call<AttemptShape[]>('GET', `/runs/${run}/tasks/job/attempts`)
  }

  log(run: string, attempt: number): Promise<string> {
    return this.cluster.text(`/api/v1/runs/${run}/tasks/job/attempts/${attempt}/log`)
  }

  /** Resolves once the log of the first attempt says that its driver was ended: it is told after it is done. */
  async toldOfEnd(run: string): Promise<void> {
    const told = /Ending the driver driver-\S+ in the cluster\./
    await eventually(60_000, async () => (told.test(await this.log(run, 1)) ? true : null))
  }
}
