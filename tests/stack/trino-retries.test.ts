import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import { parseHandle } from '../../lakehouse/engines/trino/handle.js'
import type { Check, OutsideWork } from '../../lakehouse/lakehouse.js'
import { published, TrinoPlace, trinoUrl } from './trino-place.js'

const ROW = `SELECT 1 AS id, 'once' AS note`
const NOT_NULL: Check = { kind: 'not_null', options: ['id'], severity: 'error', name: 'not_null id' }
/** takes Trino about a second for each ten millions */
const slow = (millions: number) =>
  `SELECT CAST(count(*) AS integer) AS id, 'slow' AS note FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 100)) b(y)
   CROSS JOIN UNNEST(sequence(1, ${millions})) c(z) WHERE sin(x * y * z) > 2`

/** What a worker keeps for an attempt, and a way to die at the moment the handle is saved. */
class Attempt implements OutsideWork {
  saved: Json = null
  readonly seen: JsonObject[] = []

  constructor(
    readonly earlier: Json,
    private readonly onSaved: (handle: Json) => Promise<void> = () => Promise.resolve(),
  ) {}

  async save(handle: Json): Promise<void> {
    this.saved = handle
    await this.onSaved(handle)
  }

  progress(value: JsonObject): void {
    this.seen.push(value)
  }
}

class Killed extends Error {}

const killed = (): Promise<void> => Promise.reject(new Killed())

/** What a worker does that goes on: it asks for the first answer, which starts the query. */
async function startQuery(handle: Json): Promise<void> {
  const query = parseHandle(handle)?.published.at(-1)
  if (query === undefined) throw new Error('no query was saved')
  await fetch(new URL(query.start, trinoUrl()), { headers: { 'X-Trino-User': 'sluice-test' } })
}

async function until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

describe.each(['iceberg', 'delta'] as const)('an attempt that follows a lost one, %s', (format) => {
  const place = new TrinoPlace(format)
  beforeAll(() => place.house())
  afterAll(() => place.remove())

  /** Starts the query, and leaves it when Trino has begun with it. */
  const startedByHand = async (handle: Json): Promise<void> => {
    await startQuery(handle)
    const id = parseHandle(handle)?.published[0]?.queryId ?? ''
    const begun = ['RUNNING', 'FINISHING', 'FINISHED']
    await until('the query runs', 20_000, async () =>
      begun.includes((await place.trino.control.state(id))?.state ?? ''),
    )
  }

  const lost = async (table: string, sql: string, checks: Check[], then?: (handle: Json) => Promise<void>) => {
    const attempt = new Attempt(null, async (handle) => {
      await then?.(handle)
      await killed()
    })
    await expect(place.write(table, sql, { token: table, mode: 'append', checks, outside: attempt })).rejects.toThrow(
      Killed,
    )
    return attempt.saved
  }

  it.each([
    ['staged', [NOT_NULL]],
    ['not staged', []],
  ])(
    'publishes when the first died before its query started, and the first can start it no more: %s',
    async (name, checks) => {
      const table = `unstarted_${name.length}`
      published(await place.write(table, `SELECT 0 AS id, 'there' AS note`))
      const handle = await lost(table, ROW, checks)
      published(await place.write(table, ROW, { token: table, mode: 'append', checks, outside: new Attempt(handle) }))
      await startQuery(handle)
      const id = parseHandle(handle)?.published[0]?.queryId ?? ''
      await until('the old query is over', 10_000, async () => {
        return ['FAILED', undefined].includes((await place.trino.control.state(id))?.state)
      })
      expect(await place.rows(table)).toEqual([
        [0, 'there'],
        [1, 'once'],
      ])
    },
  )

  it('finds what the first has published, and writes nothing', async () => {
    published(await place.write('found', `SELECT 0 AS id, 'there' AS note`))
    const handle = await lost('found', ROW, [NOT_NULL], startedByHand)
    const attempt = new Attempt(handle)
    const outcome = await place.write('found', ROW, {
      token: 'found',
      mode: 'append',
      checks: [NOT_NULL],
      outside: attempt,
    })
    expect(outcome).toMatchObject({ outcome: 'already_published', commit: { rowsAdded: 1, rowsTotal: 2 } })
    expect(attempt.saved).toBeNull()
    expect(await place.rows('found')).toHaveLength(2)
  })

  it('waits for a query that still runs', async () => {
    published(await place.write('awaited', `SELECT 0 AS id, 'there' AS note`))
    const handle = await lost('awaited', slow(20), [], startedByHand)
    const attempt = new Attempt(handle)
    const outcome = await place.write('awaited', slow(20), { token: 'awaited', mode: 'append', outside: attempt })
    expect(outcome.outcome).toBe('already_published')
    expect(attempt.seen.some((value) => value.step === 'waiting for an earlier attempt')).toBe(true)
    expect((await place.rows('awaited', 'note')).flat()).toEqual(['slow', 'there'])
  })

  it('starts nothing when its claim is lost', async () => {
    const refused = new SluiceError('STATE_CONFLICT', 'the claim of this attempt was lost')
    const attempt = new Attempt(null, () => Promise.reject(refused))
    await expect(place.write('unclaimed', ROW, { outside: attempt })).rejects.toBe(refused)
    await startQueryGone(attempt.saved)
    await expect(place.rows('unclaimed')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' })
  })

  /** The query was handed in, but nobody has started it, and nobody does. */
  async function startQueryGone(handle: Json): Promise<void> {
    const id = parseHandle(handle)?.published[0]?.queryId ?? ''
    expect(await place.trino.control.state(id)).toBeNull()
  }

  it('ends its query when it is cancelled', async () => {
    const controller = new AbortController()
    const cancelled = new SluiceError('CANCELLED', 'cancelled by a test')
    const attempt = new Attempt(null)
    const writing = place.write('cancelled', slow(9_999), {
      checks: [NOT_NULL],
      outside: attempt,
      signal: controller.signal,
    })
    const outcome = expect(writing).rejects.toBe(cancelled)
    await until('the query runs', 20_000, async () => attempt.seen.some((value) => value.state === 'running'))
    controller.abort(cancelled)
    await outcome
    const id = String(attempt.seen.at(-1)?.query)
    await until('the query is over', 10_000, async () => (await place.trino.control.state(id))?.state === 'FAILED')
    const [left] = await place.trino.rows(
      `SELECT count(*) AS n FROM system.runtime.queries WHERE source = 'sluice' AND state = 'RUNNING' AND query NOT LIKE '%system.runtime%' AND query LIKE '%sequence(1, 9999)) c%'`,
    )
    expect(left?.n).toBe(0)
    expect(attempt.seen.at(-1)).toMatchObject({ step: 'staging', unit: 'splits' })
    await expect(place.rows('cancelled')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' })
  })

  it('drops what a killed attempt has staged', async () => {
    const before = await place.staged()
    const attempt = new Attempt(null, killed)
    const dying = place.write('leftover', ROW, { token: 'left', checks: [NOT_NULL], outside: attempt })
    await expect(dying).rejects.toThrow(Killed)
    published(
      await place.write('leftover', ROW, { token: 'left', checks: [NOT_NULL], outside: new Attempt(attempt.saved) }),
    )
    expect(await place.staged()).toEqual(before)
  })

  it('adds each row once when many write at the same time', async () => {
    published(await place.write('busy', `SELECT -1 AS id, 'there' AS note`))
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let round = 0; round < 2; round++) {
        const sql = `SELECT ${writer * 100 + round} AS id, 'row' AS note`
        const mode = round === 1 ? ('merge' as const) : ('append' as const)
        const set = { mode, keys: mode === 'merge' ? ['id'] : [], token: `busy-${writer}-${round}` }
        published(await place.write('busy', sql, set))
      }
    })
    await Promise.all(writers)
    const ids = (await place.rows('busy', 'id')).map(([id]) => id)
    expect(ids).toHaveLength(9)
    expect(new Set(ids).size).toBe(9)
  })
})
