import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { RunListEntry, TaskShape } from '../../scheduler/shapes.js'
import { eventually } from '../e2e/eventually.js'
import { Project, type Up } from '../e2e/project.js'
import { sparkConnection, sparkHome } from './spark-services.js'

// A JVM takes its time to start, and longer on a machine that is busy.
vi.setConfig({ testTimeout: 900_000 })

/**
 * Eight tasks sort a million rows into a hundred groups, whose sums are written; it then waits for `go` and writes once more. Each
 * write carries the token of the task.
 */
const SALES = `
import os, sys, time
from pyspark.sql import SparkSession
table, go = sys.argv[1:3]
spark = SparkSession.builder.getOrCreate()
token = spark.conf.get("spark.sluice.token")
rows = spark.range(0, 1000000, 1, 8).selectExpr("id % 100 AS kind", "cast(id AS string) AS text")
sorted = rows.repartition(4, "kind").sortWithinPartitions("text")
sums = sorted.groupBy("kind").agg({"text": "max", "*": "count"}).toDF("kind", "last", "rows")
write = lambda version: (sums.write.format("delta").mode("append")
    .option("txnAppId", token).option("txnVersion", version).save(table))
write(1)
while not os.path.exists(go):
    time.sleep(0.05)
write(2)
`

/** What goes wrong in each task, in the words of the real Spark, and the sentence that it comes to. */
const FAILURES = {
  no_class: /^Failed\. The class no\.such\.App is in none of the jars \(exit code \d+\)\.$/,
  no_memory: /^Failed\. The driver ran out of memory \(.*\) \(exit code \d+\)\.$/,
  no_master: /^Failed\. The master spark:\/\/127\.0\.0\.1:1 cannot be reached \(exit code \d+\)\.$/,
  no_number: /^Failed\. NumberFormatException: For input string: "no number" \(exit code 1\)$/,
  no_method: /^Failed\. Py4JException: Method shout\(\[\]\) does not exist \(exit code 1\)$/,
}

const JOBS = {
  'jobs/sales.py': SALES,
  'jobs/session.py': 'from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate()\n',
  'jobs/no_memory.py': `
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.range(0, 60000000, 1, 1).selectExpr("id", "cast(id AS string) AS a", "cast(id * 7 AS string) AS b").collect()
`,
  'jobs/no_number.py': `
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate()._jvm.java.lang.Integer.parseInt("no number")
`,
  'jobs/no_method.py': `
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate()._jsc.shout()
`,
}

let project: Project
let up: Up
let cookie = ''
const table = () => join(project.folder, 'data/lake/gold/sales')
const go = () => join(project.folder, 'signs/go')

beforeAll(async () => {
  const dags = (name: string, tasks: object) => ({ [`dags/${name}.yaml`]: JSON.stringify({ dag: name, tasks }) })
  project = await Project.ready(JOBS)
  mkdirSync(join(project.folder, 'signs'))
  // Small young objects come and go quickly: the collector has something to do.
  const driver = { 'spark.ui.enabled': true, 'spark.driver.extraJavaOptions': '-Xmn16m' }
  const sales = { application: '../jobs/sales.py', args: [table(), go()], writes: ['gold.sales'], conf: driver }
  const failing = (name: string) => ({ spark_submit: { application: `../jobs/${name}.py` } })
  const files: Record<string, string> = {
    'sluice.yaml': JSON.stringify({ connections: { spark: sparkConnection() }, pools: { default: 128, spark: 1 } }),
    ...dags('sales', { sales: { spark_submit: sales } }),
    ...dags('failures', {
      no_class: {
        spark_submit: { application: `file:${sparkHome()}/jars/slf4j-api-2.0.17.jar`, class: 'no.such.App' },
        pool: 'spark',
      },
      no_memory: { ...failing('no_memory'), pool: 'spark' },
      no_master: { spark_submit: { application: '../jobs/session.py', master: 'spark://127.0.0.1:1' }, pool: 'spark' },
      no_number: { ...failing('no_number'), pool: 'spark' },
      no_method: { ...failing('no_method'), pool: 'spark' },
    }),
  }
  for (const [path, text] of Object.entries(files)) await project.write(path, text)
  up = await project.up()
  const login = await fetch(up.loginLink, { redirect: 'manual' })
  cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
})
afterAll(async () => {
  await project.remove()
})

/** The page of a task's last try, as a user who has logged in is sent it. */
async function page(run: string, task: string): Promise<string> {
  const response = await fetch(new URL(`/runs/${run}/tasks/${task}`, up.loginLink), { headers: { cookie } })
  expect(response.status).toBe(200)
  return response.text()
}

/** The words of a piece of HTML. */
function words(html: string | undefined): string {
  return (html ?? '')
    .replace(/<svg.*?<\/svg>/gs, '')
    .replace(/<[^>]+>/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&#x3D;', '=')
    .replace(/\s+/g, ' ')
    .trim()
}

/** What stands beside each term of the page. */
function facts(html: string): Map<string, string> {
  return new Map(
    [...html.matchAll(/<dt>(.*?)<\/dt><dd[^>]*>(.*?)<\/dd>/gs)].map(([, term, text]) => [term ?? '', words(text)]),
  )
}

const panel = (html: string, id: string) => new RegExp(`<(\\w+)[^>]* id="${id}".*?</\\1>`, 's').exec(html)?.[0] ?? ''

async function trigger(dag: string): Promise<string> {
  return (await project.json<{ run: string }>('trigger', dag)).run
}

async function ended(run: string): Promise<RunListEntry> {
  return eventually(850_000, async () => {
    const runs = await project.api<RunListEntry[]>('/runs?limit=10')
    return runs.find((one) => one.run === run && one.ended_at !== null) ?? null
  })
}

describe('the page of a Spark task', () => {
  let run = ''

  it('shows while it runs how many tasks and stages are done, and which application it is', async () => {
    run = await trigger('sales')
    const html = await eventually(240_000, async () => {
      const shown = await page(run, 'sales')
      // the first write of eight tasks is over
      return Number(/([\d,]+) of [\d,]+ tasks/.exec(words(panel(shown, 'attempt-progress')))?.[1]) >= 12 ? shown : null
    })
    const progress = words(panel(html, 'attempt-progress'))
    expect(progress).toMatch(/^Progress \d+ % /)
    const [, done, total, passed, stages] =
      /(\d+) of (\d+) tasks (\d+) of (\d+) stages/.exec(progress)?.map(Number) ?? []
    expect(Number(done)).toBeLessThanOrEqual(Number(total))
    expect(Number(passed)).toBeGreaterThanOrEqual(2)
    expect(Number(passed)).toBeLessThanOrEqual(Number(stages))
    expect(facts(html).get('Application')).toMatch(/^local-\d+$/)
    expect(html).toContain(`data-live="/live/runs/${run}/tasks/sales?try`)
  })

  it('shows at its end what it measured and the versions that it wrote', async () => {
    writeFileSync(go(), '')
    expect((await ended(run)).state).toBe('success')
    const html = await page(run, 'sales')
    const shown = facts(html)
    const [{ rows = 0 } = {}] = await project.json<{ rows: number }[]>(
      'query',
      'select count(*) as rows from gold.sales',
    )
    expect(rows).toBe(200)
    // Spark counts what it wrote to files: the rows of the table
    expect(shown.get('Output')).toMatch(/^200 rows, [\d.]+ kB$/)
    expect(shown.get('Application')).toMatch(/^local-\d+$/)
    expect(Number(/^(\d+) tasks in (\d+) stages$/.exec(shown.get('Work') ?? '')?.[1])).toBeGreaterThanOrEqual(24)
    // each of a million rows goes through the shuffle twice, in some bytes
    const [, written, read] = /^([\d.]+) MB written, ([\d.]+) MB read$/.exec(shown.get('Shuffle') ?? '') ?? []
    expect(Number(written)).toBeGreaterThan(1)
    expect(read).toBe(written)
    const [, seconds, garbage] =
      /^([\d.]+) s (\d+ ms|[\d.]+ s) \(\d+ %\) collecting garbage$/.exec(shown.get('Task time') ?? '') ?? []
    expect(Number(seconds)).toBeGreaterThan(0)
    expect(garbage).toBeDefined()
    const versions = [...html.matchAll(/<dt>Wrote<\/dt><dd[^>]*><a href="([^"]+)">([^<]+)<\/a>/g)].map(
      ([, href, text]) => [href, text],
    )
    expect(versions).toEqual([
      ['/tables/gold.sales', 'gold.sales@0'],
      ['/tables/gold.sales', 'gold.sales@1'],
    ])
    expect(html).not.toContain('data-live=')
  })

  it('is linked from the versions of the table', async () => {
    const response = await fetch(new URL('/tables/gold.sales', up.loginLink), { headers: { cookie } })
    expect(await response.text()).toContain(`href="/runs/${run}/tasks/sales?try&#x3D;1"`)
  })
})

describe('the page of a Spark task that has failed', () => {
  it('says in one sentence above the log what went wrong', async () => {
    const run = await trigger('failures')
    expect((await ended(run)).state).toBe('failed')
    const tasks = await project.json<TaskShape[]>('tasks', run)
    expect(tasks.map(({ task }) => task).sort()).toEqual(Object.keys(FAILURES).sort())
    for (const [task, sentence] of Object.entries(FAILURES)) {
      const html = await page(run, task)
      const verdict = panel(html, 'attempt-verdict')
      expect.soft(words(verdict), task).toMatch(sentence)
      expect(html.indexOf(verdict)).toBeLessThan(html.indexOf('id="log"'))
    }
  })
})
