import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import type { Json } from '../../json.js'
import { parseHandle } from '../../lakehouse/engines/trino/handle.js'
import type { OutsideWork } from '../../lakehouse/lakehouse.js'
import { type Fate, FaultyProxy } from './faulty-proxy.js'
import { pythonWithDelta, pythonWithIceberg, runScript } from './python-env.js'
import { published, TrinoPlace, trinoUrl } from './trino-place.js'

const WRITERS = 16
const COMMITS = 20
const LOST = 100

/** The worker of this attempt is gone. */
class Killed extends Error {}

/** What Trino says of a statement that has come to its end, and of which one; it tells others of a query in other words. */
const LAST_ANSWER = /\r\n\r\n(?:[\da-f]+\r\n)?\{"id":"([^"]+)"(?!.*"nextUri")/s

/** Loses the answers that say that a row is in, and now and then any other, after Trino has done what was asked. */
class CommitAnswers {
  lost = 0
  killed = 0
  #requests = 0
  readonly #told = new Set<string>()
  /** who to kill with the loss of a query's answer */
  readonly attempts = new Map<string, AbortController>()

  fateOf = (request: string): Fate => {
    this.#requests += 1
    if (this.#requests % 97 === 0 && request.startsWith('POST')) return 'lose_answer'
    return this.#requests % 101 === 0 ? 'lose_request' : 'pass'
  }

  losesAnswer = (answer: string): boolean => {
    const id = LAST_ANSWER.exec(answer)?.[1] ?? ''
    if (id === '' || !answer.includes('"updateType":"INSERT"') || answer.includes('"error"')) return false
    // the answers to as many different commits: one that is asked for again arrives
    if (this.#told.has(id)) return false
    this.#told.add(id)
    if (this.lost >= LOST || this.#told.size % 3 === 0) return false
    this.lost += 1
    // the client of every other one asks again; the rest are never heard of again
    const attempt = this.attempts.get(id)
    if (this.lost % 2 === 0 && attempt !== undefined) {
      attempt.abort(new Killed())
      this.killed += 1
    }
    return true
  }
}

describe.each(['iceberg', 'delta'] as const)(`${WRITERS} writers of one table through Trino, %s`, (format) => {
  const answers = new CommitAnswers()
  let proxy: FaultyProxy
  let place: TrinoPlace

  beforeAll(async () => {
    if (format === 'delta') pythonWithDelta()
    else pythonWithIceberg()
    proxy = await FaultyProxy.start(trinoUrl(), answers.fateOf, answers.losesAnswer)
    place = new TrinoPlace(format, proxy.url)
    published(await place.write('shared', "SELECT BIGINT '-1' AS id"))
  })
  afterAll(async () => {
    await place.remove()
    await proxy.close()
  })

  /** One task: attempts follow each other, each with what the one before has saved, until one has ended well. */
  async function append(id: number): Promise<number> {
    let saved: Json = null
    for (let attempts = 1; ; attempts++) {
      const killer = new AbortController()
      const outside: OutsideWork = {
        earlier: saved,
        save: async (handle) => {
          // what the store says to an attempt that is over
          killer.signal.throwIfAborted()
          saved = handle
          for (const { queryId } of parseHandle(handle)?.published ?? []) answers.attempts.set(queryId, killer)
        },
        progress: () => undefined,
      }
      try {
        const set = { mode: 'append' as const, token: `row-${id}`, outside, signal: killer.signal }
        const outcome = await place.write('shared', `SELECT BIGINT '${id}' AS id`, set)
        if (outcome.outcome === 'refused') throw new Error('no check could refuse it')
        return attempts
      } catch (error) {
        // what a scheduler would try again
        if (!(error instanceof Killed) && !(error instanceof SluiceError && error.retryable)) throw error
      }
    }
  }

  it(`adds each of ${WRITERS * COMMITS} rows once, though the answers to ${LOST} commits are lost`, {
    timeout: 900_000,
  }, async () => {
    const attempts = await Promise.all(
      Array.from({ length: WRITERS }, async (_, writer) => {
        let taken = 0
        for (let commit = 0; commit < COMMITS; commit++) taken += await append(writer * COMMITS + commit)
        return taken
      }),
    )
    expect(answers.lost).toBe(LOST)
    expect(answers.killed).toBe(LOST / 2)
    const again = attempts.reduce((sum, taken) => sum + taken, 0) - WRITERS * COMMITS
    expect(again).toBeGreaterThanOrEqual(answers.killed)

    const wanted = Array.from({ length: WRITERS * COMMITS + 1 }, (_, id) => id - 1)
    expect((await place.rows('shared')).map(([id]) => id)).toEqual(wanted)
    expect(independentRows()).toEqual(wanted)
  })

  /** What readers find that share no code with Sluice or Trino. */
  function independentRows(): unknown[] {
    const text =
      format === 'delta'
        ? runScript('read_delta_s3.py', [`${place.s3.location}/delta/${place.table('shared').replace('.', '/')}`, 'id'])
        : runScript('iceberg_table.py', ['read', place.table('shared'), 'id'], pythonWithIceberg())
    return (JSON.parse(text) as { rows: { id: unknown }[] }).rows.map(({ id }) => id)
  }
})
