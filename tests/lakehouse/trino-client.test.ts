import { describe, expect, it } from 'vitest'
import { Answers, type Asked, trinoClient } from '../../lakehouse/engines/trino/client.js'
import { parsePage, type StatementPage } from '../../lakehouse/engines/trino/protocol.js'

const ID = '20260101_000000_00001_abcde'
const HEADERS = { 'X-Trino-Session': 'query_max_run_time=5%20m', 'X-Trino-Prepared-Statement': 'statement=SELECT+7' }

/** A Trino that answers a statement in turn: without rows, with some, without, and at its end without. */
function trino(): {
  asked: [Asked, string | null][]
  send(asked: Asked, queryId: string | null): Promise<StatementPage>
} {
  const pages = [undefined, undefined, [[1], [2]], undefined, undefined]
  const asked: [Asked, string | null][] = []
  const send = async (request: Asked, queryId: string | null) => {
    asked.push([request, queryId])
    const at = request.method === 'POST' ? 0 : Number(request.path.split('/').at(-1))
    const data = pages[at]
    const nextUri = at + 1 < pages.length ? { nextUri: `http://trino/v1/statement/${at + 1}` } : {}
    const stats = { state: at === 0 ? 'QUEUED' : 'RUNNING', processedRows: at * 100 }
    return parsePage(JSON.stringify({ id: ID, ...nextUri, ...(data === undefined ? {} : { data }), stats }))
  }
  return { asked, send }
}

describe('a statement through trino-client', () => {
  it('has an id before anything but its text was sent', async () => {
    const { asked, send } = trino()
    const first = await new Answers(send).submit('SELECT 1', HEADERS)
    expect(first.id).toBe(ID)
    expect(asked).toEqual([[{ method: 'POST', path: '/v1/statement', body: 'SELECT 1', headers: HEADERS }, null]])
  })

  it('tells every answer, also one without rows, and asks for none beyond the last', async () => {
    const { asked, send } = trino()
    const answers = new Answers(send)
    const seen = [await answers.submit('SELECT 1', {})]
    for (let page = seen[0]; page?.nextUri != null; seen.push(page)) page = await answers.next()
    expect(seen.map(({ data, stats }) => [stats.processedRows, data.length])).toEqual([
      [0, 0],
      [100, 0],
      [200, 2],
      [300, 0],
      [400, 0],
    ])
    expect(await answers.next()).toBe(seen.at(-1))
    expect(asked.slice(1).map(([{ method, path }, queryId]) => [method, path, queryId])).toEqual(
      [1, 2, 3, 4].map((at) => ['GET', `http://trino/v1/statement/${at}`, ID]),
    )
  })

  it('goes on after an answer that another attempt has seen', async () => {
    const { asked, send } = trino()
    const answers = new Answers(send)
    answers.resume(parsePage(JSON.stringify({ id: ID, nextUri: '/v1/statement/2' })))
    expect((await answers.next()).data).toEqual([[1], [2]])
    expect(asked.map(([{ path }, queryId]) => [path, queryId])).toEqual([['/v1/statement/2', ID]])
  })

  it('can ask again for an answer that was lost', async () => {
    const { send } = trino()
    let lost = true
    const answers = new Answers((asked, queryId) => {
      if (queryId === null || !lost) return send(asked, queryId)
      lost = false
      return Promise.reject(new Error('lost'))
    })
    await answers.submit('SELECT 1', {})
    await expect(answers.next()).rejects.toThrow('lost')
    expect((await answers.next()).stats.processedRows).toBe(100)
  })
})

describe('a query by its id through trino-client', () => {
  it('is looked at and ended over our transport, and over no other', async () => {
    const asked: Asked[] = []
    const client = trinoClient(async (request) => {
      asked.push(request)
      return { queryId: ID, state: 'RUNNING' }
    })
    expect(await client.queryInfo(ID)).toEqual({ queryId: ID, state: 'RUNNING' })
    await client.cancel(ID)
    expect(asked).toEqual([
      { method: 'GET', path: `/v1/query/${ID}`, headers: {} },
      { method: 'DELETE', path: `/v1/query/${ID}`, headers: {} },
    ])
  })
})
