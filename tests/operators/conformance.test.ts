import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { Lakehouse } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { operators } from '../../operators/index.js'
import { type Operator, OperatorFailure } from '../../operators/operator.js'
import { FolderLogStore, logPath } from '../../scheduler/worker/log-folder.js'
import { LogWriter } from '../../scheduler/worker/log-writer.js'
import { MASK, Masking } from '../../scheduler/worker/masking.js'
import { answer, CASES, CONNECTIONS, type ConformanceCase, SECRET, writeInput } from './conformance-cases.js'
import { TestServer } from './http-server.js'
import { eventually, failureOf, given, NOW, type TestContext, TestProject } from './operator-context.js'

const project = new TestProject()
const server = new TestServer()
let opening: Promise<Lakehouse> | null = null

beforeAll(async () => {
  await server.listen()
  answer(server)
  writeInput(project)
})

afterAll(async () => {
  await (await opening)?.close()
  await server.close()
  project.remove()
})

/** The real lakehouse with the table `bronze.many`; opened when the first operator asks for it. */
function lakehouse(): Promise<Lakehouse> {
  opening ??= openWithInput()
  return opening
}

async function openWithInput(): Promise<Lakehouse> {
  const opened = await openLakehouse({
    project: project.project,
    catalogs: { lake: { format: 'delta', location: `${project.project}/lake` } },
    connections: { lakehouse: { type: 'duckdb', memory_limit: '512MB' } },
  })
  const ctx = project.context({}, { lakehouse: () => Promise.resolve(opened) })
  await given(operators.get('ingest'), 'ingest').run({ from: { files: 'data/many.csv' }, to: 'bronze.many' }, ctx)
  return opened
}

function context(token?: string): TestContext {
  return project.context(
    {},
    {
      env: { PATH: `${project.project}/bin:${process.env.PATH ?? ''}`, TOKEN: SECRET },
      connections: CONNECTIONS(server),
      lakehouse,
      ...(token === undefined ? {} : { token }),
    },
  )
}

/** The error that counts: an operator may wrap it to keep facts. */
async function reasonOf(promise: Promise<unknown>): Promise<Error> {
  const error = await failureOf(promise)
  return error instanceof OperatorFailure ? error.error : error
}

async function versionsOf(table: string): Promise<number> {
  const opened = await lakehouse()
  const tables = await opened.tables()
  return tables.some((one) => one.table === table) ? (await opened.versions(table, { limit: 100 })).length : 0
}

const all = [...operators.values()].map((operator): [string, Operator, ConformanceCase] => {
  return [operator.type, operator, given(CASES[operator.type], `cases of ${operator.type} in conformance-cases.ts`)]
})

/** An attempt of an operator that may have waited before it. */
function succeeds(operator: Operator, { success }: ConformanceCase, ctx: TestContext) {
  const { config, after } = success
  if (after === undefined) return operator.run(config, ctx)
  return given(
    operator.reattach?.(after.handle, config, { ...ctx, woken: after.woken }),
    `reattach of ${operator.type}`,
  )
}

describe.each(all)('%s', (type, operator, cases) => {
  it('succeeds with its outputs and its log; the same token again adds nothing', async () => {
    const first = context(`token-${type}`)
    const result = await succeeds(operator, cases, first)
    expect(result.outputs).toEqual(cases.success.outputs)
    expect(result).not.toHaveProperty('skipped')
    expect(first.lines.join('\n')).toMatch(cases.success.logs)

    const again = await succeeds(operator, cases, context(`token-${type}`))
    expect(again.outputs).toEqual(cases.success.outputs)
    for (const table of operator.tables?.(cases.success.config).writes ?? []) expect(await versionsOf(table)).toBe(1)
  })

  it('starts nothing when it is cancelled already', async () => {
    const ctx = context()
    const reason = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(reason)
    expect(await reasonOf(operator.run(cases.success.config, ctx))).toBe(reason)
  })

  it('prints nothing and leaves its own process as it was', async () => {
    const print = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')]
    const environment = { ...process.env }
    const directory = process.cwd()
    await operator.run((cases.failure ?? cases.success).config, context()).catch(() => undefined)
    const printed = print.flatMap((spy) => spy.mock.calls.map(([text]) => String(text)))
    for (const spy of print) spy.mockRestore()
    expect(printed).toEqual([])
    expect(process.env).toEqual(environment)
    expect(process.cwd()).toBe(directory)
  })
})

const failing = all.flatMap(([type, operator, { failure }]) =>
  failure === undefined ? [] : [{ type, operator, failure }],
)

describe.each(failing)('$type', ({ operator, failure }) => {
  it('fails with a coded error that names the cause', async () => {
    const error = await reasonOf(operator.run(failure.config, context()))
    expect(error).toBeInstanceOf(SluiceError)
    expect(error).toMatchObject({ code: failure.code, message: expect.stringMatching(failure.message) })
  })
})

const working = all.flatMap(([type, operator, { slow }]) => (slow === undefined ? [] : [{ type, operator, slow }]))

describe.each(working)('$type', ({ operator, slow }) => {
  it.each([
    ['cancel', new SluiceError('CANCELLED', 'Cancelled by ada.')],
    ['timeout', new SluiceError('TIMED_OUT', 'Not done within 20m.')],
  ])('ends at a %s, for that reason and without a trace', async (_, reason) => {
    const ctx = { ...context(), checks: slow.checks ?? [] }
    const run = reasonOf(operator.run(slow.config, ctx))
    await eventually('the operator is at work', () => slow.started(ctx))
    await turns(20)
    ctx.controller.abort(reason)
    expect(await run).toBe(reason)
    for (const table of operator.tables?.(slow.config).writes ?? []) expect(await versionsOf(table)).toBe(0)
  })
})

const withSecret = all.filter(([, , { secret }]) => secret !== undefined)

describe.each(withSecret)('%s, when it meets a secret', (type, operator, { secret }) => {
  it('shows it in the log and the reason alone, where the worker masks it', async () => {
    const masking = new Masking()
    masking.add(SECRET)
    const attempt = { runId: 'sales-1', taskId: type, attempt: 1 }
    const folder = `${project.root}/logs`
    const store = new FolderLogStore(folder)
    const log = new LogWriter({ store, attempt, masking, now: () => NOW })
    const ctx = context()
    const error = await reasonOf(
      operator.run(given(secret, type).config, { ...ctx, log: (level, text) => log.write(level, text) }),
    )
    await log.close()
    const written = readFileSync(logPath(folder, attempt), 'utf8')
    expect(written).toContain(MASK)
    expect(written + masking.text(error.message)).not.toContain(SECRET)
  })
})

/** Lets the event loop turn. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
}
