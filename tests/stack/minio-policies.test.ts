import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { sparkSubmit } from '../../operators/spark-submit.js'
import { PACKAGE_ROOT } from '../../package-root.js'
import { TestProject } from '../operators/operator-context.js'
import { type RoleKeys, roleWith } from './minio-role.js'
import { S3Lake } from './s3-lake.js'
import { S3Place } from './s3-place.js'
import { sparkConnection } from './spark-services.js'

// A JVM takes its time to start, and longer on a machine that is busy.
vi.setConfig({ testTimeout: 300_000 })

/** Rows of a Delta table in its first argument, whose older files it then drops; and a look where it may not. */
const JOB = `
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.config("spark.databricks.delta.retentionDurationCheck.enabled", "false").getOrCreate()
table = sys.argv[1]
rows = lambda n: spark.range(n).repartition(1).write.format("delta")
rows(100).save(table)
rows(50).mode("append").save(table)
rows(3).mode("overwrite").save(table)
spark.sql(f"VACUUM delta.\`{table}\` RETAIN 0 HOURS")
print("rows", spark.read.format("delta").load(table).count())
print("files", spark.read.format("binaryFile").option("pathGlobFilter", "*.parquet").load(table).count())
try:
    spark.read.text("s3a://task-logs/in").count()
except Exception as error:
    print("task-logs", "refused" if "AccessDenied" in str(error) or "403" in str(error) else error)
`

/** Keys that may do what compose.yaml's user may. */
function keysOf(user: string): Promise<RoleKeys> {
  return roleWith(readFileSync(join(PACKAGE_ROOT, `docker/minio/${user}-policy.json`), 'utf8'))
}

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

function placeOf(keys: RoleKeys) {
  const place = new S3Place(undefined, keys)
  const open = (location?: string) => {
    const store = place.open(location === undefined ? {} : { location })
    opened.push(() => store.close())
    return store
  }
  opened.push(() => place.remove())
  return { place, open }
}

describe('the policy of MinIO’s user', () => {
  it('sluice is enough to make tables, change them and clear them up', async () => {
    const lake = new S3Lake(undefined, await keysOf('sluice'))
    opened.push(() => lake.remove())
    await lake.write('silver.t', 'select range as n, repeat(range::varchar, 50) as text from range(100000)')
    await lake.write('silver.t', `select 7 as n, 'x' as text`, { mode: 'merge', keys: ['n'] })
    await (await lake.house()).rollback('silver.t', 0, { user: 'ada', reason: 'test', now: Date.now() })
    expect(await lake.rows('select count(*), count(distinct n) from silver.t')).toEqual([[100_000, 100_000]])
  })

  it('spark is enough for a job that makes a Delta table, adds to it, replaces its rows and drops its files', async () => {
    const keys = await keysOf('spark')
    const place = new S3Place()
    const project = new TestProject()
    opened.push(() => place.remove())
    opened.push(async () => project.remove())
    const conf = {
      'spark.hadoop.fs.s3a.access.key': keys.access_key,
      'spark.hadoop.fs.s3a.secret.key': keys.secret_key,
      'spark.hadoop.fs.s3a.session.token': keys.session_token,
      'spark.hadoop.fs.s3a.aws.credentials.provider': 'org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider',
    }
    const ctx = project.context({ 'job.py': JOB }, { connections: { spark: sparkConnection({ conf }) } })
    const table = `${place.location.replace(/^s3:/, 's3a:')}/t`
    await sparkSubmit.run({ application: 'job.py', args: [table] }, { ...ctx, now: Date.now })
    expect(ctx.lines).toContain('info rows 3')
    expect(ctx.lines).toContain('info files 1')
    // only one that the policy leaves out
    expect(ctx.lines.filter((line) => line.includes('refused'))).toEqual(['info task-logs refused'])
  })

  it.each(['sluice', 'trino', 'spark'])('%s is enough for files of tables', async (user) => {
    const { open } = placeOf(await keysOf(user))
    const store = open()
    await store.assertWritable()
    await store.put('a/b', Buffer.from('whole'))
    expect(String(await store.read('a/b'))).toBe('whole')
    expect(await store.list('a')).toEqual(['b'])
    await store.deleteAll('a')
    expect(await store.read('a/b')).toBeNull()
  })

  it.each([
    ['sluice', 's3://landing/in', 'write'],
    ['sluice', 's3://private/in', 'read'],
    ['trino', 's3://task-logs/in', 'read'],
    ['trino', 's3://landing/in', 'read'],
    ['spark', 's3://task-logs/in', 'read'],
    ['spark', 's3://landing/in', 'write'],
  ])('%s does not open %s to %s', async (user, location, what) => {
    const store = placeOf(await keysOf(user)).open(location)
    const asked = what === 'read' ? store.read('a') : store.put('a', Buffer.from('x'))
    await expect(asked).rejects.toMatchObject({ code: 'OBJECT_STORE_DENIED' })
  })
})
