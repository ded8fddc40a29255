import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '../../../errors.js'
import { Answers, type Asked } from './client.js'
import type { QueryControl } from './control.js'
import { StatementLost, type TrinoError, trinoError } from './errors.js'
import { type Answer, type Exchange, NoAnswer } from './exchange.js'
import type { HandedIn } from './handle.js'
import { parsePage, type StatementPage, type TrinoFailure } from './protocol.js'

/** How long a silent server is asked again before contact counts as lost. */
const PATIENCE_MS = 60_000
/** The same for a statement that has not begun; the retries of the task go on from there. */
const SUBMIT_PATIENCE_MS = 10_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000
/** Trino and proxies before it answer so when the same request may succeed a moment later. */
const TRY_AGAIN = new Set([429, 502, 503, 504])

/** The two ways to talk to one Trino. */
export interface TrinoContact {
  exchange: Exchange
  control: QueryControl
}

export interface StatementOptions {
  /** headers of this statement: catalog, session, prepared statements */
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  /** start of error sentences: `The SQL` */
  subject: string
  /** whether it is left to run when the signal is aborted for this reason; absent: it is ended, whatever the reason */
  left?: (reason: unknown) => boolean
  /** the place in the author's text of a place in the text sent; absent when the text is ours */
  place?: (line: number, column: number) => { line: number; column: number }
}

/**
 * One statement at Trino. After `submit` it has an id and does not run yet: Trino starts it at the first `next`, so what
 * must be known before it can have an effect is written down in between (docs/adr/0016).
 */
export class Statement {
  readonly id: string
  #page: StatementPage

  private constructor(
    private readonly contact: TrinoContact,
    private readonly options: StatementOptions,
    private readonly answers: Answers,
    page: StatementPage,
  ) {
    this.#page = page
    this.id = page.id
  }

  /** @throws SluiceError UNREACHABLE, and TrinoError of a text that cannot be read; nothing has run then: a statement whose id nobody has is never started */
  static async submit(contact: TrinoContact, sql: string, options: StatementOptions): Promise<Statement> {
    const answers = answersTo(contact, options)
    return new Statement(contact, options, answers, await answers.submit(sql, options.headers ?? {}))
  }

  /**
   * Goes on with a statement that somebody else has started and does not follow any more. Trino keeps its latest answer, so it
   * can be gone on with from the newest address that was known, and from no older one.
   */
  static resume(contact: TrinoContact, query: HandedIn, options: StatementOptions): Statement {
    const answers = answersTo(contact, options)
    const page = parsePage(JSON.stringify({ id: query.queryId, nextUri: query.next ?? query.start }))
    answers.resume(page)
    return new Statement(contact, options, answers, page)
  }

  /**
   * Runs the statement to its end.
   * @param each sees every answer as it comes; `enough` ends the query early
   * @param ahead is told where the next answer waits, and waited for, before it is asked for
   * @returns the last answer
   * @throws TrinoError, StatementLost, and the signal's reason after the query was cancelled, or left
   */
  async finish(
    each: (page: StatementPage) => 'more' | 'enough' = () => 'more',
    ahead?: (next: string) => Promise<void>,
  ): Promise<StatementPage> {
    const { signal, left } = this.options
    try {
      for (;;) {
        const verdict = each(this.#page)
        if (this.#page.error !== null) throw failed(this.#page.error, this.options)
        if (this.#page.nextUri === null) return this.#page
        if (verdict === 'enough') {
          await this.cancel()
          return this.#page
        }
        await ahead?.(this.#path(this.#page.nextUri))
        this.#page = await this.answers.next()
      }
    } catch (error) {
      if (!signal?.aborted) throw error
      if (left?.(signal.reason) !== true) await this.cancel()
      throw signal.reason
    }
  }

  /** @param start the address of the first answer; an unknown one is a statement that is gone already */
  static async prevent(exchange: Exchange, start: string, signal?: AbortSignal): Promise<void> {
    const lost = (cause: unknown) => new SluiceError('UNREACHABLE', 'Trino does not answer.', { cause })
    const withinMs = SUBMIT_PATIENCE_MS
    await answered(() => exchange.request('DELETE', start, { signal, withinMs }), signal, SUBMIT_PATIENCE_MS, lost)
  }

  /** where the first answer waits, as a path; of use only before `finish` */
  get start(): string {
    return this.#path(this.#page.nextUri ?? '/')
  }

  /** see `QueryControl.cancel` */
  async cancel(): Promise<void> {
    await this.contact.control.cancel(this.id)
  }

  #path(address: string): string {
    const { pathname, search } = new URL(address, this.contact.exchange.server.url)
    return `${pathname}${search}`
  }
}

function answersTo({ exchange }: TrinoContact, options: StatementOptions): Answers {
  return new Answers((asked, queryId) =>
    queryId === null ? handedIn(exchange, asked, options) : followed(exchange, asked, queryId, options),
  )
}

async function handedIn(exchange: Exchange, asked: Asked, options: StatementOptions): Promise<StatementPage> {
  const { method, path, ...rest } = asked
  const { signal } = options
  const post = () => exchange.request(method, path, { ...rest, signal })
  const answer = await answered(post, signal, SUBMIT_PATIENCE_MS, (cause) => {
    const { name, url } = exchange.server
    const because = cause instanceof NoAnswer ? ` (${cause.message})` : ''
    return new SluiceError('UNREACHABLE', `Trino at ${url} (connection ${name}) does not answer${because}.`, { cause })
  })
  if (answer.status !== 200) throw unread(answer, options) ?? refused(exchange, answer)
  return pageOf(exchange, answer)
}

/** The same address may be asked again: Trino keeps its latest answer. */
async function followed(
  exchange: Exchange,
  { method, path }: Asked,
  queryId: string,
  { signal }: StatementOptions,
): Promise<StatementPage> {
  const get = () => exchange.request(method, path, { signal })
  const lost = (cause: unknown) => new StatementLost(queryId, `Contact with Trino query ${queryId} was lost.`, cause)
  const answer = await answered(get, signal, PATIENCE_MS, lost)
  if (answer.status === 200) return pageOf(exchange, answer)
  throw new StatementLost(queryId, `Trino no longer knows query ${queryId} (HTTP ${answer.status}).`)
}

function failed(failure: TrinoFailure, { subject, place }: StatementOptions): TrinoError {
  const known = failure.line !== null && failure.column !== null && place !== undefined
  return trinoError(failure, subject, known ? place(failure.line ?? 1, failure.column ?? 1) : null)
}

/** A text that is only to be described goes along in a header, and what the parser has against it comes as a bare answer. */
const UNREAD = /Invalid X-Trino-Prepared-Statement header: line (\d+):(\d+): ([\s\S]+)/

function unread({ status, text }: Answer, options: StatementOptions): TrinoError | null {
  const [, line, column, message] = UNREAD.exec(text) ?? []
  if (status !== 400 || message === undefined) return null
  const error = { message, errorName: 'SYNTAX_ERROR', errorType: 'USER_ERROR', causes: [] }
  return failed({ ...error, line: Number(line), column: Number(column) }, options)
}

/** Repeats a request that may be repeated until there is an answer, patience ends, or the signal says stop. */
async function answered(
  request: () => Promise<Answer>,
  signal: AbortSignal | undefined,
  patienceMs: number,
  failure: (cause: unknown) => unknown,
): Promise<Answer> {
  const giveUpAt = performance.now() + patienceMs
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    signal?.throwIfAborted()
    let cause: unknown
    try {
      const answer = await request()
      if (!TRY_AGAIN.has(answer.status)) return answer
      cause = new NoAnswer(new Error(`HTTP ${answer.status}`))
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      signal?.throwIfAborted()
      cause = error
    }
    if (performance.now() + wait > giveUpAt) throw failure(cause)
    await pause(wait, undefined, signal === undefined ? {} : { signal })
  }
}

function pageOf(exchange: Exchange, answer: Answer): StatementPage {
  try {
    return parsePage(answer.text)
  } catch (error) {
    const message = `${exchange.server.url} (connection ${exchange.server.name}) does not answer as Trino does.`
    throw new SluiceError('UNREACHABLE', message, { cause: error })
  }
}

function refused(exchange: Exchange, answer: Answer): SluiceError {
  const { name, url, user } = exchange.server
  const words = answer.text.replace(/\s+/g, ' ').slice(0, 200)
  if (answer.status === 401 || answer.status === 403) {
    const message = `Trino at ${url} (connection ${name}) refuses the user ${user}: HTTP ${answer.status} ${words}`
    const hint = 'Check user and password of the connection.'
    return new SluiceError('UNREACHABLE', message.trimEnd(), { hint, retryable: false })
  }
  return new SluiceError('UNREACHABLE', `Trino at ${url} (connection ${name}) answered HTTP ${answer.status}: ${words}`)
}
