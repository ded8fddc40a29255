import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFailed, vi } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { OperatorFailure } from '../../operators/operator.js'
import { processesWith } from '../../operators/process/process-group.js'
import { sparkSubmit } from '../../operators/spark-submit.js'
import {
  type ContextOptions,
  eventually,
  failureOf,
  type TestContext,
  TestProject,
} from '../operators/operator-context.js'
import { jarOf } from './spark-cluster.js'
import { sparkConnection, sparkHome } from './spark-services.js'

// A JVM takes its time to start, and longer on a machine that is busy.
vi.setConfig({ testTimeout: 300_000 })

const project = new TestProject()
let lakehouse: Lakehouse
const handles: Json[] = []
const progress: JsonObject[] = []

beforeAll(async () => {
  lakehouse = await openLakehouse({
    project: project.project,
    catalogs: { lake: { format: 'delta', location: `${project.project}/lake` } },
    connections: { lakehouse: { type: 'duckdb', memory_limit: '512MB' } },
  })
})
afterEach(() => {
  handles.length = 0
  progress.length = 0
})
afterAll(async () => {
  await lakehouse.close()
  project.remove()
})

interface JobOptions extends ContextOptions {
  connection?: Record<string, unknown>
  /** other files that the task names */
  files?: Record<string, string>
}

function context(job: string, options: JobOptions = {}): TestContext {
  const ctx = project.context(
    { 'jobs/job.py': job, ...options.files },
    {
      connections: { spark: sparkConnection(options.connection) },
      lakehouse: () => Promise.resolve(lakehouse),
      ...options,
    },
  )
  // a job that hangs is understood by where it stood
  onTestFailed(() => console.log(ctx.lines.join('\n')))
  return {
    ...ctx,
    now: Date.now,
    saveHandle: async (handle) => void handles.push(handle),
    progress: (value) => void progress.push(value),
  }
}

/** Writes 7 rows from 8 tasks and a shuffle; idempotent by the token of its task. */
const WRITE = `
import json, os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
token = spark.conf.get("spark.sluice.token")
assert token == os.environ["SLUICE_COMMIT_TOKEN"]
rows = spark.range(0, 100000, 1, 8)
counts = rows.groupBy((rows.id % 7).alias("kind")).count()
(counts.write.format("delta").mode("append")
    .option("txnAppId", token).option("txnVersion", 1).save(sys.argv[1]))
print("wrote", counts.count())
json.dump({"kinds": 7}, open(os.environ["SLUICE_OUTPUTS"], "w"))
`
/** Its module is looked for by Python's workers too: a function is handed to them by its name. */
const RATES = `
import features
from pyspark.sql import SparkSession
context = SparkSession.builder.getOrCreate().sparkContext
rates = context.parallelize(["EUR", "USD"], 2).map(features.rate).collect()
print(context.master, "driver", features.rate("EUR"), "workers", rates)
`
const FEATURES = `
from pyspark import SparkFiles
def rate(currency):
    with open(SparkFiles.get("rates.csv")) as lines:
        return dict(line.strip().split(",") for line in lines)[currency]
`

const WORDS = `
public class Words {
  public static String counted(long count) { return "counted " + count; }
}
`
const APP = `
import org.apache.spark.sql.SparkSession;
public class App {
  public static void main(String[] args) {
    SparkSession spark = SparkSession.builder().getOrCreate();
    System.out.println(Words.counted(spark.range(0, Long.parseLong(args[0]), 1, 2).count()));
    spark.stop();
  }
}
`

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>words</artifactId>
  <version>1.0</version>
</project>
`

/** Any jar will do that has another class. */
const someJar = () =>
  `${sparkHome()}/jars/${readdirSync(`${sparkHome()}/jars`).find((name) => name.startsWith('slf4j-api-'))}`
const config = (args: string[] = []) => ({ application: 'jobs/job.py', args })

describe('local', () => {
  it('runs a job, links its commit, keeps what it measured; a second attempt writes nothing more', async () => {
    const table = `${project.project}/lake/bronze/kinds`
    const task = { ...config([table]), writes: ['bronze.kinds'] }
    const ctx = context(WRITE, { token: 'sales/run-1/kinds/1' })
    const result = await sparkSubmit.run(task, ctx)

    expect(result.outputs).toEqual({ kinds: 7 })
    expect(result.commits).toMatchObject([
      { table: 'bronze.kinds', versionBefore: null, version: 0, rowsAdded: 7, bytes: expect.any(Number) },
    ])
    expect(result.commits?.[0]?.bytes).toBeGreaterThan(0)
    expect(result.metrics).toMatchObject({ spark_application: expect.stringMatching(/^local-\d+$/), rows_written: 7 })
    expect(Number(result.metrics?.tasks)).toBeGreaterThanOrEqual(9)
    expect(Number(result.metrics?.shuffle_written_bytes)).toBeGreaterThan(0)
    expect(Number(result.metrics?.task_time_ms)).toBeGreaterThan(0)
    expect(ctx.lines).toContain('info wrote 7')
    // saved before the start without an id, and again with it while the job ran
    expect(handles).toMatchObject([{ applicationId: null }, { applicationId: result.metrics?.spark_application }])
    expect(progress.length).toBeGreaterThan(0)
    expect(await lakehouse.versions('bronze.kinds', { limit: 9 })).toMatchObject([
      { run: 'run-1', task: 'task', attempt: 1, token: 'sales/run-1/kinds/1', rowsAdded: 7 },
    ])

    const again = await sparkSubmit.run(task, context(WRITE, { token: 'sales/run-1/kinds/1' }))
    expect(again.commits).toMatchObject([{ version: 0 }])
    expect(await lakehouse.versions('bronze.kinds', { limit: 9 })).toHaveLength(1)
  })

  it('runs on all cores, with a Python module and a file of the project for driver and workers', async () => {
    project.write('data/rates.csv', 'EUR,2\nUSD,3\n')
    const files = { 'jobs/features.py': FEATURES }
    const ctx = context(RATES, { files, connection: { master: 'local[*]' } })
    await sparkSubmit.run({ ...config(), py_files: ['jobs/features.py'], files: ['data/rates.csv'] }, ctx)
    expect(ctx.lines).toContain(`info local[*] driver 2 workers ['2', '3']`)
  })

  it('runs a jar of the project whose class needs one of `jars`', async () => {
    const words = jarOf(project.write('jars/words.jar', ''), { Words: WORDS })
    jarOf(project.write('jars/app.jar', ''), { App: APP }, [words])
    const task = { application: 'jars/app.jar', class: 'App', args: ['40'], jars: ['jars/words.jar'] }
    const ctx = context('')
    const { metrics } = await sparkSubmit.run(task, ctx)
    expect(ctx.lines).toContain('info counted 40')
    expect(metrics?.spark_application).toMatch(/^local-/)
  })

  it('runs a jar whose class needs one of `packages`, fetched from a repository of `repositories`', async () => {
    const repository = join(project.root, 'repository')
    const place = join(repository, 'com/example/words/1.0/words-1.0')
    const words = jarOf(project.write(`${place}.jar`, ''), { Words: WORDS })
    project.write(`${place}.pom`, POM)
    jarOf(project.write('jars/app.jar', ''), { App: APP }, [words])
    const own = {
      packages: ['com.example:words:1.0'],
      repositories: [`file://${repository}`],
      // nothing that another run has fetched may help
      conf: { 'spark.jars.ivy': join(project.root, 'ivy') },
    }
    const ctx = context('')
    await sparkSubmit.run({ application: 'jars/app.jar', class: 'App', args: ['40'], ...own }, ctx)
    expect(ctx.lines).toContain('info counted 40')
  })

  it('checks the table after the write, and says that the rows are there', async () => {
    const checks = [{ kind: 'row_count', options: { min: 100 }, severity: 'error' as const, name: 'row_count' }]
    const ctx = context(WRITE, { checks })
    const task = { ...config([`${project.project}/lake/bronze/audited`]), writes: ['bronze.audited'] }
    const failure = await failureOf(sparkSubmit.run(task, ctx))
    expect(failure).toBeInstanceOf(OperatorFailure)
    expect(failure.message).toMatch(/row_count.*rows are in bronze\.audited already \(version 0\)/)
    expect((failure as OperatorFailure).facts.commits).toHaveLength(1)
  })

  it.each([
    ['a job that raises', `raise ValueError("no rows")`, {}, /^ValueError: no rows \(exit code 1\)/],
    [
      'an error of the JVM',
      'from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().table("no.such_table").show()',
      {},
      /^AnalysisException: \[TABLE_OR_VIEW_NOT_FOUND\].*no/,
    ],
    [
      'an error of py4j',
      `from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark._jvm.java.lang.Integer.parseInt("no number")`,
      {},
      /^NumberFormatException: For input string: "no number" \(exit code 1\)/,
    ],
    [
      'an error of a function on the rows',
      `from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().sparkContext.parallelize([1]).map(lambda n: n / 0).collect()`,
      {},
      /ZeroDivisionError: division by zero/,
    ],
    ['a job that is killed', 'import os, signal; os.kill(os.getppid(), signal.SIGKILL)', {}, /killed by SIGKILL/],
    [
      'a master that is not there',
      'print(1)',
      { master: 'spark://127.0.0.1:1' },
      /The master spark:\/\/127\.0\.0\.1:1 cannot be reached/,
    ],
    [
      'no Python',
      'print(1)',
      { conf: { 'spark.pyspark.python': '/no/python' } },
      /The Python interpreter \/no\/python is not there/,
    ],
  ])('sums up %s', async (name, job, connection, message) => {
    const text =
      name === 'a master that is not there'
        ? 'from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate()'
        : job
    const failure = await failureOf(sparkSubmit.run(config(), context(text, { connection })))
    expect(failure.message).toMatch(message)
    expect(handles.at(-1)).toBeNull()
  })

  it.each([
    ['class', { application: someJar(), class: 'no.Such' }, /no\.Such is in none of the jars/],
    ['memory', { application: 'jobs/job.py', driver_memory: '512m' }, /ran out of memory/],
  ])('sums up a missing or small %s', async (_, task, message) => {
    const job = `from pyspark.sql import SparkSession
s = SparkSession.builder.getOrCreate()
s.range(0, 60000000, 1, 1).selectExpr("id", "cast(id as string) as a", "cast(id * 7 as string) as b").collect()`
    const connection = { conf: { 'spark.driver.maxResultSize': '0' } }
    const failure = await failureOf(sparkSubmit.run(task, context(job, { connection })))
    expect(failure.message).toMatch(message)
  })

  it('lets a job be tried again that fails after a class it has looked for in vain', async () => {
    const job = `
from pyspark.sql import SparkSession
jvm = SparkSession.builder.getOrCreate()._jvm
try:
    jvm.java.lang.Class.forName("no.such.Driver")
except Exception as error:
    print(error)
raise TimeoutError("the source does not answer")`
    const ctx = context(job)
    const failure = await failureOf(sparkSubmit.run(config(), ctx))
    expect(ctx.lines.some((line) => /ClassNotFoundException: no\.such\.Driver/.test(line))).toBe(true)
    const message = 'TimeoutError: the source does not answer (exit code 1)'
    expect(failure.cause).toMatchObject({ message, retryable: true })
  })

  it('ends driver and Python at a cancel', async () => {
    const job =
      'from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate()\nprint("up")\nimport time; time.sleep(600)'
    const ctx = context(job)
    const run = failureOf(sparkSubmit.run(config(), ctx))
    await eventually('the job is up', () => ctx.lines.includes('info up'), 180_000)
    const reason = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(reason)
    expect(await run).toBe(reason)
    const marker = (handles[0] as JsonObject).marker
    expect(processesWith(`SLUICE_SPARK_SUBMISSION=${marker}`)).toEqual([])
  })

  it('shows the progress of the driver’s pages while a stage runs', async () => {
    const job = `
import os, sys, time
from pyspark.sql import SparkSession
go = sys.argv[1]
spark = SparkSession.builder.getOrCreate()
def slow(rows):
    rows = list(rows)
    while max(rows) >= 3 and not os.path.exists(go):
        time.sleep(0.1)
    return iter(rows)
spark.sparkContext.parallelize(range(6), 6).mapPartitions(slow).count()
`
    const go = join(project.root, 'go-on')
    const run = sparkSubmit.run({ ...config([go]), conf: { 'spark.ui.enabled': true } }, context(job))
    const shown = () => progress.some(({ done, total }) => done === 3 && total === 6)
    await Promise.race([eventually('three of six tasks are shown', shown, 180_000), run])
    project.write(go, '')
    await run
    expect(shown()).toBe(true)
  })

  it('takes figures from the pages where the event log is somebody else’s', async () => {
    const task = { ...config(), conf: { 'spark.ui.enabled': true, 'spark.eventLog.enabled': false } }
    const job = `
import os, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.range(1000).repartition(4).count()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
`
    const go = join(project.root, 'go-home')
    const run = sparkSubmit.run({ ...task, args: [go] }, context(job))
    await Promise.race([eventually('tasks are shown', () => Number(progress.at(-1)?.done) > 0, 180_000), run])
    project.write(go, '')
    const result = await run
    expect(Number(result.metrics?.tasks)).toBeGreaterThan(0)
    expect(result.metrics?.spark_application).toMatch(/^local-/)
  })
})
