import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DriverPages } from '../../../operators/spark/driver-pages.js'
import { SubmissionServer } from '../../../operators/spark/submission-server.js'
import { TestServer } from '../http-server.js'
import { failureOf, TestProject } from '../operator-context.js'

const project = new TestProject()
const server = new TestServer()
beforeAll(() => server.listen())
beforeEach(() => server.routes.clear())
afterAll(async () => {
  await server.close()
  project.remove()
})

const answer = (path: string, json: unknown) => {
  server.routes.set(path, (response) => response.end(JSON.stringify(json)))
}

describe('the driver’s pages', () => {
  const at = (loggedUrl: string) => ({ host: '127.0.0.1', loggedUrl })
  const pages = () => new DriverPages(1, new AbortController().signal)
  const jobs = [{ numTasks: 8, numCompletedTasks: 3 }]

  it('are those of the application that is sought', async () => {
    answer('/api/v1/applications', [{ id: 'app-2', name: 'sales.rfm' }])
    answer('/api/v1/applications/app-2/environment', {
      sparkProperties: [
        ['spark.app.name', 'sales.rfm'],
        ['spark.sluice.submission', 'm2'],
      ],
    })
    expect(await pages().find({ applicationId: 'app-1', marker: 'm2' }, at(server.origin))).toBe(false)
    expect(await pages().find({ applicationId: null, marker: 'm1' }, at(server.origin))).toBe(false)
    expect(await pages().find({ applicationId: 'app-2', marker: 'm1' }, at(server.origin))).toBe(true)
    const found = pages()
    expect(await found.find({ applicationId: null, marker: 'm2' }, at(server.origin))).toBe(true)
    expect(found.applicationId).toBe('app-2')
    answer('/api/v1/applications/app-2/jobs', jobs)
    answer('/api/v1/applications/app-2/stages', [{ status: 'ACTIVE' }])
    expect(await found.figures()).toMatchObject({ tasks: 8, tasksDone: 3, stages: 1 })
  })

  it.each([
    ['something that is no JSON', 'hello'],
    ['more than anybody wants to read', `[{"id":"a","name":"x"},"${'x'.repeat(9_000_000)}"]`],
  ])('answer nothing when they send %s', async (_, text) => {
    server.routes.set('/api/v1/applications', (response) => response.end(text))
    expect(await pages().find({ applicationId: null, marker: 'x' }, at(server.origin))).toBe(false)
  })

  it('may be gone', async () => {
    expect(await pages().find({ applicationId: null, marker: 'x' }, at('http://127.0.0.1:1'))).toBe(false)
    expect(await pages().find({ applicationId: null, marker: 'x' }, { host: '127.0.0.1', loggedUrl: null })).toBe(false)
    expect(await pages().figures()).toBeNull()
  })
})

describe('the submission server', () => {
  const submissions = () => new SubmissionServer([server.origin], 5)
  const STATUS = '/v1/submissions/status/driver-1'

  it('lies beside the master', () => {
    expect(SubmissionServer.besides('spark://m1:7077,m2:7077').urls).toEqual(['http://m1:6066', 'http://m2:6066'])
    expect(SubmissionServer.besides('spark://[::1]:7077').urls).toEqual(['http://[::1]:6066'])
  })

  it('does not know a driver', async () => {
    answer(STATUS, { success: false, submissionId: 'driver-1' })
    const { signal } = new AbortController()
    expect(await submissions().status('driver-1', signal)).toMatchObject({ state: 'NOT_FOUND' })
  })

  /** As a master of Spark 4.1 says it while another is in charge, or before it has its drivers back. */
  const outOfCharge = (what: string) => ({
    success: false,
    message: `Exception from the cluster:\njava.lang.Exception: Current state is not alive: RECOVERING. Can only ${what} in ALIVE state.`,
  })

  it('that is not in charge has said nothing: the driver goes on, and is followed', async () => {
    const answers: unknown[] = [
      outOfCharge('request driver status'),
      outOfCharge('request driver status'),
      { success: true, driverState: 'RUNNING' },
      { success: true, driverState: 'FINISHED' },
    ]
    server.routes.set(STATUS, (response) => response.end(JSON.stringify(answers.shift())))
    const { signal } = new AbortController()
    expect(await failureOf(submissions().status('driver-1', signal))).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('Current state is not alive'),
    })
    expect(await submissions().untilEnded('driver-1', project.context())).toMatchObject({ state: 'FINISHED' })
  })

  it('of several masters the one in charge is asked', async () => {
    answer(STATUS, { success: true, driverState: 'RUNNING' })
    const standby = new TestServer()
    await standby.listen()
    standby.routes.set(STATUS, (response) => response.end(JSON.stringify(outOfCharge('request driver status'))))
    const { signal } = new AbortController()
    const both = new SubmissionServer(['http://127.0.0.1:1', standby.origin, server.origin], 5)
    expect(await both.status('driver-1', signal)).toMatchObject({ state: 'RUNNING' })
    await standby.close()
  })

  it('has ended a driver when it says so, or when the driver has ended', async () => {
    const KILL = '/v1/submissions/kill/driver-1'
    const { signal } = new AbortController()
    answer(KILL, { success: true })
    await submissions().kill('driver-1', signal)
    answer(KILL, { success: false, message: 'Driver driver-1 has already finished or does not exist' })
    answer(STATUS, { success: true, driverState: 'FINISHED' })
    await submissions().kill('driver-1', signal)
    answer(KILL, outOfCharge('kill drivers'))
    answer(STATUS, outOfCharge('request driver status'))
    expect(await failureOf(submissions().kill('driver-1', signal))).toMatchObject({ code: 'UNREACHABLE' })
    answer(STATUS, { success: true, driverState: 'RUNNING' })
    expect(await failureOf(submissions().kill('driver-1', signal))).toMatchObject({ code: 'UNREACHABLE' })
  })

  it('is asked until the driver has ended, also across an answer that fails', async () => {
    const states = ['SUBMITTED', 'RUNNING', null, 'FINISHED']
    server.routes.set(STATUS, (response) => {
      const state = states.shift()
      const host = state === 'SUBMITTED' ? {} : { workerHostPort: '10.0.0.7:40123' }
      response.end(state === null ? 'bad gateway' : JSON.stringify({ success: true, driverState: state, ...host }))
    })
    const ctx = project.context()
    const hosts: (string | null)[] = []
    const ended = await submissions().untilEnded('driver-1', ctx, ({ host }) => hosts.push(host))
    expect(ended).toMatchObject({ state: 'FINISHED' })
    expect(hosts).toEqual([null, '10.0.0.7', '10.0.0.7'])
    expect(ctx.lines.map((line) => line.slice(0, 40))).toEqual([
      'info The driver driver-1 is submitted.',
      'info The driver driver-1 is running.',
      'warn The submission server of the standa',
      'info The driver driver-1 is finished.',
    ])
  })

  it('is asked no more after a cancel', async () => {
    answer(STATUS, { success: true, driverState: 'RUNNING' })
    const ctx = project.context()
    const reason = new Error('cancelled')
    const waiting = failureOf(submissions().untilEnded('driver-1', ctx))
    ctx.controller.abort(reason)
    expect(await waiting).toBe(reason)
  })

  it('is given up when it is silent for long', async () => {
    const ctx = project.context()
    const gone = new SubmissionServer(['http://127.0.0.1:1'], 5, 20)
    expect((await failureOf(gone.untilEnded('driver-1', ctx))).message).toMatch(/does not answer at http:/)
    // said once, not at each look
    expect(ctx.lines).toHaveLength(1)
  })

  it('says how to have one', async () => {
    const { signal } = new AbortController()
    const failure = await failureOf(new SubmissionServer(['http://127.0.0.1:1']).status('driver-1', signal))
    expect(failure).toMatchObject({ code: 'UNREACHABLE', hint: expect.stringContaining('spark.master.rest.enabled') })
  })
})
