import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import type { ThreadAnswer, ThreadRequest } from './pglite-messages.js'
import { pgliteOptions } from './pglite-options.js'

/** The thread that owns PGlite: a long statement stops it and nobody else. */
const port = parentPort
if (port === null) throw new Error('pglite-thread is the entry of a worker thread')
const database = await PGlite.create(pgliteOptions((workerData as { folder: string }).folder))

port.on('message', (request: ThreadRequest) => {
  // PGlite runs one statement at a time in the order of arrival, so answers need no queue here.
  answer(request).then(
    (message) => {
      port.postMessage(message)
      if (request.kind === 'close') port.close()
    },
    (error: Error & { code?: string }) =>
      port.postMessage({
        id: request.id,
        kind: 'failed',
        message: error.message,
        code: error.code ?? '',
      } satisfies ThreadAnswer),
  )
})
port.postMessage({ id: 0, kind: 'rows', results: [] } satisfies ThreadAnswer)

async function answer(request: ThreadRequest): Promise<ThreadAnswer> {
  switch (request.kind) {
    case 'script':
      await database.exec(request.sql)
      return { id: request.id, kind: 'rows', results: [] }
    case 'query': {
      const { rows } = await database.query<Record<string, unknown>>(request.sql, [...request.params])
      return { id: request.id, kind: 'rows', results: [rows] }
    }
    case 'transaction': {
      const results = await database.transaction(async (transaction) => {
        const all: Record<string, unknown>[][] = []
        for (const { sql, params } of request.statements) {
          all.push((await transaction.query<Record<string, unknown>>(sql, [...params])).rows)
        }
        return all
      })
      return { id: request.id, kind: 'rows', results }
    }
    case 'close':
      await database.close()
      return { id: request.id, kind: 'rows', results: [] }
  }
}
