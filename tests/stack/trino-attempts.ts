import { expect } from 'vitest'
import type { Json, JsonObject } from '../../json.js'
import { type HandedIn, parseHandle } from '../../lakehouse/engines/trino/handle.js'
import type { Check, OutsideWork, WriteRequest } from '../../lakehouse/lakehouse.js'
import { type TrinoPlace, trinoUrl } from './trino-place.js'

export const ROW = `SELECT 1 AS id, 'once' AS note`
export const NOT_NULL: Check = { kind: 'not_null', options: ['id'], severity: 'error', name: 'not_null id' }
/** takes Trino about a second for each ten millions */
export const slow = (millions: number) =>
  `SELECT CAST(count(*) AS integer) AS id, 'slow' AS note FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 100)) b(y)
   CROSS JOIN UNNEST(sequence(1, ${millions})) c(z) WHERE sin(x * y * z) > 2`

/** What a worker keeps for an attempt, and a way to die at the moment the handle is saved. */
export class Attempt implements OutsideWork {
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

export class Killed extends Error {}

export const killed = (): Promise<void> => Promise.reject(new Killed())

/** The query that was saved last. */
export function newest(handle: Json): HandedIn | undefined {
  const { published = [], statements = [], staging = [] } = parseHandle(handle) ?? {}
  return published.at(-1) ?? statements.at(-1) ?? staging.at(-1)
}

/** What a worker does that goes on: it asks for the first answer, which starts the query. */
export async function startQuery(handle: Json): Promise<void> {
  const query = newest(handle)
  if (query === undefined) throw new Error('no query was saved')
  await fetch(new URL(query.start, trinoUrl()), { headers: { 'X-Trino-User': 'sluice-test' } })
}

export async function until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** What becomes of queries whose attempt has died, at one Trino. */
export class Remains {
  constructor(private readonly place: TrinoPlace) {}

  /** Starts the query, and leaves it when Trino has begun with it. */
  readonly startedByHand = async (handle: Json): Promise<void> => {
    await startQuery(handle)
    const id = newest(handle)?.queryId ?? ''
    const begun = ['RUNNING', 'FINISHING', 'FINISHED']
    await until('the query runs', 60_000, async () =>
      begun.includes((await this.place.trino.control.state(id))?.state ?? ''),
    )
  }

  /** The same, and leaves it when all of it has run. */
  readonly publishedByHand = async (handle: Json): Promise<void> => {
    await this.startedByHand(handle)
    const id = newest(handle)?.queryId ?? ''
    await until('all has run', 60_000, async () => {
      const query = await this.place.trino.control.state(id)
      return query?.answers === true || query?.state === 'FINISHED'
    })
  }

  /** The same, and fetches all of its answers: only the news of it is lost. */
  readonly finishedByHand = async (handle: Json): Promise<void> => {
    const query = newest(handle)
    if (query !== undefined) await this.place.trino.resume(query).finish()
  }

  /** An attempt that dies as soon as its publishing query is saved. @returns its handle */
  readonly lost = async (
    table: string,
    sql: string,
    set: Partial<WriteRequest>,
    then?: (handle: Json) => Promise<void>,
  ): Promise<Json> => {
    const attempt = new Attempt(null, async (handle) => {
      if (parseHandle(handle)?.published.length === 0) return
      await then?.(handle)
      await killed()
    })
    await expect(this.place.write(table, sql, { ...set, outside: attempt })).rejects.toThrow(Killed)
    return attempt.saved
  }
}
