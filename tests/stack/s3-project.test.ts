import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Events } from '../../scheduler/events.js'
import type { LogLine, RunListEntry, TableShape, TaskShape } from '../../scheduler/shapes.js'
import { AttemptLogs } from '../../scheduler/worker/log-reader.js'
import { SegmentLogStore } from '../../scheduler/worker/log-segments.js'
import { chainOf } from '../../scheduler/worker/segment-names.js'
import { eventually } from '../e2e/eventually.js'
import { Project } from '../e2e/project.js'
import { pythonWithDelta, runScript } from './python-env.js'
import { S3Place } from './s3-place.js'

let place: S3Place
let project: Project

const secret = (name: string) => ['${', `env:${name}}`].join('')
const config = () => `
catalogs: { lake: { location: "${place.location}/lake", connection: minio } }
logs: { location: "${place.location}/logs", connection: minio }
connections:
  minio:
    type: s3
    endpoint: "${place.connection.endpoint}"
    access_key: "${secret('AWS_ACCESS_KEY_ID')}"
    secret_key: "${secret('AWS_SECRET_ACCESS_KEY')}"
`

const TALKER = `
dag: talker
tasks:
  talk:
    bash: "for n in $(seq 1 2000); do echo said $n $(date +%s%3N); sleep 0.02; done"
`

beforeAll(async () => {
  pythonWithDelta()
  place = new S3Place()
  project = await Project.example()
  await project.write('sluice.yaml', config())
  await project.write('dags/talker.yaml', TALKER)
})
afterAll(async () => {
  await place.remove()
  await project.remove()
})

const logsOf = () => {
  const store = new SegmentLogStore(() => place.open({ location: `${place.location}/logs` }))
  return { store, logs: new AttemptLogs(store, new Events()) }
}

describe('the example on object storage', () => {
  it('gives the tables that it gives in a folder, and its logs lie beside them', async () => {
    const up = await project.up('--first-run', 'airline_delays')
    const run = await eventually(60_000, async () => {
      const [first] = await project.json<RunListEntry[]>('runs')
      return first === undefined || first.ended_at === null ? null : first
    })
    expect(run.state).toBe('success')
    const tables = await project.json<TableShape[]>('tables')
    expect(Object.fromEntries(tables.map(({ table, rows }) => [table, rows]))).toMatchObject({
      'bronze.flights': 32_816,
      'silver.flights': 32_815,
      'gold.airport_months': 24,
    })
    expect(tables[0]?.location).toMatch(/^s3:\/\//)
    const [count] = await project.json<{ n: number }[]>('query', 'select count(*) as n from gold.airport_months')
    expect(count?.n).toBe(24)
    const table = `${place.location}/lake/gold/airport_months`
    expect(JSON.parse(runScript('read_delta_s3.py', [table, 'origin,month'])).rows).toHaveLength(24)
    const tasks = await project.json<TaskShape[]>('tasks', run.run)
    for (const { task } of tasks) {
      const { stdout } = await project.sluice('logs', run.run, task)
      expect(stdout.length, task).toBeGreaterThan(0)
    }
    await up.end()
    expect(up.output).toContain('the object store of the catalog takes conditional writes')
    expect(existsSync(join(project.folder, 'data/lake'))).toBe(false)
    expect(existsSync(join(project.folder, 'data/logs'))).toBe(false)
    expect(readdirSync(join(project.folder, 'data/cache/work'))).toEqual([])
  })
})

describe('the log of a task whose worker is killed', () => {
  it('is there up to the last second, and goes on to be read elsewhere', async () => {
    const up = await project.up()
    const { run } = await project.json<{ run: string }>('trigger', 'talker')
    const attempt = { runId: run, taskId: 'talk', attempt: 1 }
    const { store, logs } = logsOf()
    await eventually(20_000, async () => ((await logs.tail(attempt, 1))[0]?.line ?? 0) > 100 || null)
    const killedAt = Date.now()
    await up.end('SIGKILL')
    const lines: LogLine[] = []
    for await (const line of logs.read(attempt, { from: 1 })) lines.push(line)
    expect(lines.map(({ line }) => line)).toEqual(lines.map((_, index) => index + 1))
    const last = Number(lines.at(-1)?.message.split(' ')[2])
    expect(killedAt - last).toBeLessThan(1_000)
    const again = await project.up()
    const ended = await eventually(60_000, async () => {
      const [talker] = await project.json<RunListEntry[]>('runs')
      return talker?.ended_at === null ? null : talker
    })
    expect(ended?.state).toBe('failed')
    expect((await project.sluice('logs', run, 'talk', '--attempt', '1')).stdout).toContain('said 1 ')
    await again.end()
    const objects = await place.open({ location: `${place.location}/logs` }).list(`talker/${run}/talk/1`)
    expect(objects.length).toBeLessThan(55)
    expect(chainOf(objects).at(-1)?.lastLine).toBeGreaterThanOrEqual(lines.length)
    await store.close()
  })
})
