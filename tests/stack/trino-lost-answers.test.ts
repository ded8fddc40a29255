import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fate, FaultyProxy } from './faulty-proxy.js'
import { published, TrinoPlace, trinoUrl } from './trino-place.js'

const WRITES = 10

/** Loses answers of the statement protocol, every so many requests, each time after Trino has done what was asked. */
function unlucky(): (request: string) => Fate {
  let requests = 0
  return (request) => {
    if (!/^(GET|POST) \/v1\/statement/.test(request)) return 'pass'
    requests += 1
    if (requests % 5 === 0) return 'lose_answer'
    if (requests % 7 === 0) return 'tear_answer'
    return requests % 11 === 0 ? 'lose_request' : 'pass'
  }
}

describe.each(['iceberg', 'delta'] as const)('answers of Trino that are lost, %s', (format) => {
  let proxy: FaultyProxy
  let place: TrinoPlace

  beforeAll(async () => {
    proxy = await FaultyProxy.start(trinoUrl(), unlucky())
    place = new TrinoPlace(format, proxy.url)
  })
  afterAll(async () => {
    await place.remove()
    await proxy.close()
  })

  it('cost no row and double none', async () => {
    published(await place.write('lossy', `SELECT 0 AS id`))
    for (let write = 1; write <= WRITES; write++) {
      published(await place.write('lossy', `SELECT ${write} AS id`, { mode: 'append' }))
    }
    expect(proxy.met.lose_answer + proxy.met.tear_answer).toBeGreaterThan(WRITES)
    const ids = (await place.rows('lossy')).map(([id]) => id)
    expect(ids).toEqual(Array.from({ length: WRITES + 1 }, (_, id) => id))
  })
})
