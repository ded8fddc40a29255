import pg from 'pg'
import { expect, it } from 'vitest'
import { type PipelinedStatement, pipelined } from '../../../scheduler/store/postgres-pipeline.js'

/** The server's end of what pg's client calls, message by message; tests/stack/transactions.test.ts has a real one. */
interface Answers {
  name: string | undefined
  text: string | undefined
  handleRowDescription(message: object): void
  handleDataRow(message: object): void
  handleCommandComplete(): void
  handleError(error: Error): void
  handleReadyForQuery(): void
}

function begin(statements: PipelinedStatement[], parsedStatements: Record<string, string> = {}) {
  const sent: string[] = []
  const note =
    (kind: string) =>
    ({ name, statement }: { name?: string; statement?: string } = {}) =>
      void sent.push([kind, name ?? statement].filter((word) => word !== undefined).join(' '))
  const stream = { cork: note('cork'), uncork: note('uncork') }
  const describe = () => undefined
  const wire = {
    stream,
    parsedStatements,
    parse: note('parse'),
    bind: note('bind'),
    describe,
    execute: note('execute'),
  }
  let answers: Answers | undefined
  const client = {
    getTypeParser: pg.types.getTypeParser,
    query(pipeline: Answers & { submit(connection: object): void }) {
      answers = pipeline
      pipeline.submit({ ...wire, sync: note('sync') })
    },
  }
  const results = pipelined(client as unknown as pg.ClientBase, statements)
  if (answers === undefined) throw new Error('nothing was given to the client')
  return { sent, answers, results }
}

const field = (dataTypeID: number) => ({ fields: [{ name: 'a', dataTypeID, format: 'text' }] })
const INT4 = 23
const JSONB = 3802

it('prepares each statement once, sends all in one write and synchronises once', async () => {
  const named = (name: string) => ({ name, text: `select '${name}'`, values: [] })
  const { sent, answers, results } = begin([named('a'), named('b'), named('a'), { text: 'select 1', values: [] }], {
    b: "select 'b'",
  })
  expect(sent).toEqual([
    ...['cork', 'parse a', 'bind a', 'execute', 'bind b', 'execute', 'bind a', 'execute', 'parse ', 'bind ', 'execute'],
    ...['sync', 'uncork'],
  ])
  // by these pg notes what the connection has prepared
  const at: unknown[] = []
  for (let statement = 0; statement < 4; statement++) {
    at.push(answers.name)
    answers.handleCommandComplete()
  }
  expect(at).toEqual(['a', 'b', 'a', undefined])
  answers.handleReadyForQuery()
  expect(await results).toEqual([[], [], [], []])
})

it('gives no result before the transaction is committed, and none when the commit fails', async () => {
  const { answers, results } = begin([{ text: 'select 1 as a', values: [] }])
  let settled = false
  results
    .catch(() => undefined)
    .finally(() => {
      settled = true
    })
  answers.handleRowDescription(field(INT4))
  answers.handleDataRow({ fields: ['1'] })
  answers.handleCommandComplete()
  await new Promise(setImmediate)
  expect(settled).toBe(false)
  answers.handleError(new Error('could not serialize'))
  await expect(results).rejects.toThrow('could not serialize')
})

it('fails by itself, not in the socket, at a value that cannot be read', async () => {
  const { answers, results } = begin([{ text: 'select a', values: [] }])
  answers.handleRowDescription(field(JSONB))
  answers.handleDataRow({ fields: ['{"a": '] })
  answers.handleDataRow({ fields: [null] })
  answers.handleCommandComplete()
  answers.handleReadyForQuery()
  await expect(results).rejects.toThrow(SyntaxError)
})

it('sends nothing when a parameter cannot be sent', async () => {
  const circle: unknown[] = []
  circle.push({ circle })
  const client = { query: (pipeline: { submit(wire: object): void }) => pipeline.submit({}) }
  const statements = [{ text: 'select $1', values: circle }]
  await expect(pipelined(client as unknown as pg.ClientBase, statements)).rejects.toThrow(/circular/)
})
