import { once } from 'node:events'
import { parentPort } from 'node:worker_threads'
import type { SqlRow, SqlStatement, SqlValue } from './database.js'
import type { ThreadAnswer, ThreadRequest, ThreadStart } from './pglite-messages.js'
import { openPglite } from './pglite-options.js'
import { PgliteStatements } from './pglite-statements.js'
import { Upkeep } from './pglite-upkeep.js'

const BEGIN: SqlStatement = { sql: 'begin', params: [] }
const COMMIT: SqlStatement = { sql: 'commit', params: [] }
const ROLLBACK: SqlStatement = { sql: 'rollback', params: [] }

/** The thread that owns PGlite, started before it is known where, and then told: a long statement stops it and nobody else. */
const port = parentPort
if (port === null) throw new Error('pglite-thread is the entry of a worker thread')
const [{ folder }] = (await once(port, 'message')) as [ThreadStart]
const database = await openPglite(folder)
const statements = new PgliteStatements(database, database.parsers)
const upkeep = new Upkeep({ tables, vacuum }, () => performance.now())
/** One request after the other, in the order of arrival: a transaction must not be cut into by another statement. */
let last: Promise<void> = Promise.resolve()

/** A backup or a restore keeps a transaction open between requests; nothing may come between its statements. */
let inTransaction = false

port.on('message', (request: ThreadRequest) => {
  last = last.then(() => handle(request)).then(() => keepUp(request))
})
port.postMessage({ id: 0, kind: 'rows', results: [] } satisfies ThreadAnswer)

async function handle(request: ThreadRequest): Promise<void> {
  try {
    port?.postMessage({ id: request.id, kind: 'rows', results: await answer(request) } satisfies ThreadAnswer)
    if (request.kind === 'close') port?.close()
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    port?.postMessage({ id: request.id, kind: 'failed', message, code: code ?? '' } satisfies ThreadAnswer)
  }
}

async function answer(request: ThreadRequest): Promise<SqlRow[][]> {
  switch (request.kind) {
    case 'query': {
      const rows = await statements.run(request)
      if (/^(begin|commit|rollback)\b/.test(request.sql)) inTransaction = request.sql.startsWith('begin')
      return [rows]
    }
    case 'transaction':
      return transact(request.statements)
    case 'lone_or':
      return loneOr(request.statements)
    case 'script':
      await database.exec(request.sql)
      return []
    case 'close':
      await database.close()
      return []
  }
}

async function loneOr(all: readonly SqlStatement[]): Promise<SqlRow[][]> {
  const results: SqlRow[][] = []
  for (const statement of all) {
    results.push(await statements.run(statement))
    if ((results[0] ?? []).length > 0) break
  }
  return results
}

async function transact(all: readonly SqlStatement[]): Promise<SqlRow[][]> {
  await statements.run(BEGIN)
  try {
    const results: SqlRow[][] = []
    for (const statement of all) results.push(await statements.run(statement))
    await statements.run(COMMIT)
    return results
  } catch (error) {
    await statements.run(ROLLBACK)
    throw error
  }
}

/** A vacuum that fails (a full disk) costs room and speed, no data: it is told, and tried again later. */
async function keepUp(request: ThreadRequest): Promise<void> {
  if (request.kind === 'close' || inTransaction) return
  try {
    await upkeep.requestDone(work(request))
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error))
  }
}

/** Rows that a request may have changed: large ones carry many in a JSON parameter, some 300 characters each. */
function work(request: ThreadRequest): number {
  if (request.kind === 'transaction' || request.kind === 'lone_or')
    return request.statements.reduce((sum, { params }) => sum + rowsIn(params), 0)
  return request.kind === 'query' ? rowsIn(request.params) : 1
}

function rowsIn(params: readonly SqlValue[]): number {
  const characters = params.reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0)
  return 1 + Math.floor(characters / 300)
}

/** Small tables are left alone: PostgreSQL plans for ten pages at least until a table has been vacuumed, and they may yet grow. */
async function tables(): Promise<string[]> {
  const sql = `select quote_ident(relname) as name from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_relation_size(oid) > 256 * 1024`
  return (await statements.run({ sql, params: [] })).map((row) => String(row.name))
}

async function vacuum(table: string): Promise<void> {
  await database.exec(`vacuum ${table}`)
}
