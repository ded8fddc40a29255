import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DriverLog } from '../../../operators/spark/driver-log.js'
import { noFacts } from '../../../operators/spark/log-lines.js'
import { TestServer } from '../http-server.js'
import { failureOf, type TestContext, TestProject } from '../operator-context.js'

const project = new TestProject()
const server = new TestServer()
const ID = 'driver-20261122084629-0001'
const HEAD = `Launch Command: "java" "-Dspark.secret=s3cr3t" "Job"\n${'='.repeat(40)}\n\n`

let written: Record<'stdout' | 'stderr', Buffer>
let asked: string[]
/** Bytes of a log that the worker gives at once, whatever is asked for. */
let most = Number.MAX_SAFE_INTEGER

beforeAll(() => server.listen())
beforeEach(() => {
  server.routes.clear()
  written = { stdout: Buffer.alloc(0), stderr: Buffer.from(HEAD) }
  asked = []
  most = Number.MAX_SAFE_INTEGER
  master()
  serveLogs()
})
afterAll(async () => {
  await server.close()
  project.remove()
})

function master(workers: object[] = [{ id: 'worker-1', webuiaddress: server.origin }]): void {
  const state = { workers, activedrivers: [{ id: ID, worker: 'worker-1' }], completeddrivers: [], status: 'ALIVE' }
  server.routes.set('/json/', (response) => response.end(JSON.stringify(state)))
}

/** As the worker of Spark 4.1 gives them: bytes from an offset on, below a line that counts them. */
function serveLogs(): void {
  server.routes.set('/log', (response, { url }) => {
    const { searchParams } = new URL(url, server.origin)
    const stream = searchParams.get('logType') === 'stdout' ? 'stdout' : 'stderr'
    const log = written[stream]
    const start = Math.min(Number(searchParams.get('offset')), log.length)
    const end = Math.min(start + Math.min(Number(searchParams.get('byteLength')), most), log.length)
    asked.push(`${stream} ${start}`)
    response.end(`==== Bytes ${start}-${end} of ${log.length} of ${ID}/${stream} ====\n${log.subarray(start, end)}`)
  })
}

const write = (stream: 'stdout' | 'stderr', text: string) => {
  written[stream] = Buffer.concat([written[stream], Buffer.from(text)])
}

function follow(ctx: TestContext = project.context(), facts = noFacts()) {
  return { ctx, facts, log: new DriverLog(ID, { master: 'spark://m' }, { webUrl: server.origin }, facts, ctx) }
}

describe('the log of a driver inside a cluster', () => {
  it('is read on from where it was left, by lines, without the command above it', async () => {
    const { ctx, facts, log } = follow()
    write('stdout', 'hello\nhal')
    write('stderr', '08:51:50 ERROR Connected to Spark cluster with app ID app-20261121085100-0003\n')
    await log.look()
    expect(ctx.lines).toEqual([
      'info hello',
      'error 08:51:50 ERROR Connected to Spark cluster with app ID app-20261121085100-0003',
    ])
    expect(facts.applicationId).toBe('app-20261121085100-0003')
    write('stdout', 'f\nlast')
    asked = []
    await log.look()
    expect(ctx.lines.slice(2)).toEqual(['info half'])
    expect(asked).toEqual(['stdout 9', `stderr ${written.stderr.length}`])
    expect(await log.end()).toBeNull()
    expect(ctx.lines.slice(3)).toEqual(['info last'])
  })

  it('is read in pages, all that the driver has written at its end', async () => {
    most = 1_000
    const { ctx, log } = follow()
    const lines = Array.from({ length: 20_000 }, (_, n) => `line ${n}`)
    write('stdout', `${lines.join('\n')}\n`)
    await log.look()
    expect(ctx.lines.length).toBeLessThan(10_000)
    expect(await log.end()).toBeNull()
    expect(ctx.lines).toEqual(lines.map((line) => `info ${line}`))
  })

  it('is listened to for the reason of a failure', async () => {
    const { log } = follow()
    write('stdout', 'java.lang.OutOfMemoryError: x\n')
    write('stderr', 'Exception in thread "main" java.lang.IllegalStateException: no rows\n')
    expect(log.failure.knows).toBe(false)
    await log.look()
    expect(log.failure.error({ master: 'spark://m', end: 'x' }).message).toBe('IllegalStateException: no rows (x)')
  })

  it('is told where it lies when its worker does not answer', async () => {
    server.routes.delete('/log')
    const { ctx, log } = follow()
    await log.look()
    expect(await log.end()).toBe(
      `The log of ${ID} lies on the worker of the cluster that ran it: ${server.origin}/logPage/?driverId=${ID}&logType=stderr`,
    )
    expect(ctx.lines).toEqual([])
  })

  it('is told to lie on a worker when the master does not know which', async () => {
    master([])
    expect(await follow().log.end()).toMatch(/ lies on the worker of the cluster that ran it, .* `web_url` /)
  })

  it('is asked for seldom while nobody answers, and again at its end', async () => {
    server.routes.delete('/log')
    let looks = 0
    server.routes.set('/json/', (response) => {
      looks += 1
      response.end('{}')
    })
    const { ctx, log } = follow()
    for (let look = 0; look < 30; look += 1) await log.look()
    expect(looks).toBe(10)
    master()
    serveLogs()
    write('stdout', 'late\n')
    expect(await log.end()).toBeNull()
    expect(ctx.lines).toEqual(['info late'])
  })

  it('is read no more after a cancel', async () => {
    const { ctx, log } = follow()
    const reason = new Error('cancelled')
    ctx.controller.abort(reason)
    expect(await failureOf(log.look())).toBe(reason)
    expect(await failureOf(log.end())).toBe(reason)
  })
})
