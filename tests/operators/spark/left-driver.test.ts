import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { processesWith } from '../../../operators/process/process-group.js'
import { endSubmitter } from '../../../operators/spark/end-application.js'
import type { SparkHandle } from '../../../operators/spark/handle.js'
import { findDriver, isUnnamed } from '../../../operators/spark/left-driver.js'
import { MasterPages } from '../../../operators/spark/master-pages.js'
import { TestServer } from '../http-server.js'
import { eventually, failureOf, TestProject } from '../operator-context.js'

const project = new TestProject()
const server = new TestServer()
beforeAll(() => server.listen())
beforeEach(() => server.routes.clear())
afterAll(async () => {
  await server.close()
  project.remove()
})

const SUBMITTED_AT = 1_795_337_189_000
const HANDLE: SparkHandle = {
  marker: 'm-1',
  manager: 'standalone',
  deployMode: 'cluster',
  master: 'spark://m:7077',
  applicationId: null,
  submissionId: null,
  host: null,
  mainClass: 'Job',
  eventLog: null,
  uiPort: null,
  submittedAt: SUBMITTED_AT,
  tables: {},
}

/** A driver as the master of Spark 4.1 tells of it. */
function driver(number: number, more: Record<string, string> = {}) {
  return {
    id: `driver-20261122084629-000${number}`,
    starttime: String(SUBMITTED_AT + 789),
    state: 'RUNNING',
    cores: 1,
    memory: 512,
    resources: {},
    submitdate: 'Sun Nov 22 08:46:29 UTC 2026',
    worker: 'worker-1',
    mainclass: 'Job',
    ...more,
  }
}

function master(activedrivers: object[], completeddrivers: object[] = [], status = 'ALIVE'): void {
  const workers = [{ id: 'worker-1', webuiaddress: server.origin }]
  const state = { workers, activedrivers, completeddrivers, status }
  server.routes.set('/json/', (response) => response.end(JSON.stringify(state)))
}

/** The first lines of the drivers' logs, by id, as the page of a worker of Spark 4.1 shows them; other drivers have none. */
function logs(markers: Record<string, string>): void {
  server.routes.set('/log', (response, { url }) => {
    const id = new URL(url, server.origin).searchParams.get('driverId') ?? ''
    const own = `"-Dspark.sluice.submission=${markers[id]}" "org.apache.spark.deploy.worker.DriverWrapper" "Job"`
    const command = `Launch Command: "/usr/bin/java" "-cp" "/jars/*" "-Xmx512M" ${own}\n${'='.repeat(40)}\n\n`
    response.end(`==== Bytes 0-99 of 99 of ${id}/stderr ====\n${markers[id] === undefined ? '' : command}`)
  })
}

const find = (ctx = project.context(), handle = HANDLE) => findDriver(handle, { webUrl: server.origin }, ctx, 5)
const ID = 'driver-20261122084629-0001'
const OTHER = 'driver-20261122084629-0002'

describe('a driver whose id was never told', () => {
  it('is the one whose command carries the mark of the submission', async () => {
    master([driver(2), driver(1)])
    logs({ [ID]: 'm-1', [OTHER]: 'm-10' })
    expect(await find()).toEqual({ id: ID, doubt: '' })
  })

  it('may have ended well, which counts', async () => {
    master([], [driver(1, { state: 'FINISHED' })])
    logs({ [ID]: 'm-1' })
    expect(await find()).toEqual({ id: ID, doubt: '' })
  })

  it('is none when the others are of other submissions, other classes, older, or have failed', async () => {
    const old = String(SUBMITTED_AT - 11 * 60_000)
    master(
      [driver(2), driver(3, { mainclass: 'Other' }), driver(4, { starttime: old })],
      [driver(5, { state: 'FAILED' })],
    )
    logs({ [OTHER]: 'm-2' })
    expect(await find()).toEqual({ id: null, doubt: '' })
  })

  it('may arrive a moment after the submitting program has ended', async () => {
    master([])
    logs({ [ID]: 'm-1' })
    const before = server.seen.length
    const found = find()
    await eventually('it was looked for once', () => server.seen.length > before)
    master([driver(1)])
    expect(await found).toEqual({ id: ID, doubt: '' })
  })

  it('is waited for while the cluster has not started it, and the log says so once', async () => {
    const ctx = project.context()
    master([driver(1, { state: 'SUBMITTED', worker: 'None' })])
    const found = find(ctx)
    const seen = server.seen.length
    await eventually('it was looked for again and again', () => server.seen.length > seen + 30)
    master([driver(1)])
    logs({ [ID]: 'm-1' })
    expect(await found).toEqual({ id: ID, doubt: '' })
    expect(ctx.lines).toEqual([
      `info The cluster has not started ${ID} yet, which the earlier attempt may have submitted; waiting.`,
    ])
  })

  it('is looked for no more after a cancel', async () => {
    const ctx = project.context()
    master([driver(1, { state: 'SUBMITTED', worker: 'None' })])
    const failure = failureOf(find(ctx))
    const reason = new Error('cancelled')
    await eventually('it waits', () => ctx.lines.length === 1)
    ctx.controller.abort(reason)
    expect(await failure).toBe(reason)
  })

  it('is in doubt when its worker does not say whose it is', async () => {
    master([driver(1), driver(2)])
    logs({ [OTHER]: 'm-2' })
    expect(await find()).toEqual({ id: null, doubt: `whose ${ID} is cannot be found out` })
  })

  it.each([
    ['does not answer', () => undefined, 'refuses'],
    ['is a standby', () => master([], [], 'STANDBY'), 'none of them is the active one'],
  ])('is in doubt when the master %s', async (_, answer, why) => {
    answer()
    const { id, doubt } = await find()
    expect(id).toBeNull()
    expect(doubt).toContain(`does not answer at ${server.origin}`)
    expect(doubt).toContain(why)
  })

  it('is asked about at the active one of several masters', async () => {
    master([driver(1)])
    const pages = new MasterPages(['http://127.0.0.1:1', server.origin])
    expect(await pages.drivers(new AbortController().signal)).toHaveLength(1)
  })

  it('is looked for beside the master when nobody says where its pages are', async () => {
    const failure = await failureOf(
      MasterPages.besides('spark://127.0.0.2:7077,[::1]:7077').drivers(AbortSignal.timeout(9_000)),
    )
    expect(failure.message).toContain('at http://127.0.0.2:8080, http://[::1]:8080')
  })

  it.each([
    [{}, true],
    [{ submissionId: 'driver-1' }, false],
    [{ deployMode: 'client' as const }, false],
    [{ manager: 'kubernetes' as const }, false],
  ])('%j: %j', (more, expected) => {
    expect(isUnnamed({ ...HANDLE, ...more })).toBe(expected)
  })
})

describe('a spark-submit that an earlier attempt has left', () => {
  it('is ended by what it was called with; a driver that has inherited its environment is not', async () => {
    const env = { ...process.env, SLUICE_SPARK_SUBMISSION: 'm-7' }
    const wait = 'setInterval(() => {}, 1000)'
    const submitter = spawn(process.execPath, ['-e', wait, '--', '--conf', 'spark.sluice.submission=m-7'], { env })
    const own = spawn(process.execPath, ['-e', wait, '--', '-Dspark.sluice.submission=m-7'], { env })
    try {
      await eventually('both run', () => processesWith('SLUICE_SPARK_SUBMISSION=m-7').length === 2)
      const ended = once(submitter, 'exit')
      await endSubmitter({ ...HANDLE, marker: 'm-7' }, project.context())
      expect(await ended).toEqual([null, 'SIGKILL'])
      expect(processesWith('SLUICE_SPARK_SUBMISSION=m-7').map(({ pid }) => pid)).toEqual([own.pid])
    } finally {
      submitter.kill('SIGKILL')
      own.kill('SIGKILL')
    }
  })
})
