import { type IncomingMessage, type RequestOptions, request, STATUS_CODES } from 'node:http'
import { text } from 'node:stream/consumers'
import { ERRORS, type ErrorCode, messageOf, SluiceError } from '../errors.js'
import { isRunning, readInstance } from './instance.js'

/** How long a running Sluice may take to begin an answer. */
const ANSWER_WITHIN_MS = 30_000

/** A running Sluice as its REST API (`scheduler/shapes.ts`) shows it. Paths begin below `/api/v1`. */
export class Client {
  readonly url: string
  readonly #token: string

  constructor(address: { url: string; token: string }) {
    this.url = address.url.replace(/\/+$/, '')
    this.#token = address.token
  }

  get<T>(path: string): Promise<T> {
    return this.#json<T>('GET', path)
  }

  /** @param idempotencyKey the same key and body make the change once, however often it is sent */
  post<T>(path: string, body: unknown, idempotencyKey?: string): Promise<T> {
    return this.#json<T>('POST', path, body, idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey })
  }

  /**
   * The lines of an answer that grows, such as a followed log; ends when the server ends it.
   * @throws SluiceError UNREACHABLE when the connection breaks
   */
  async *lines(path: string, signal?: AbortSignal): AsyncGenerator<string> {
    const response = await this.#send('GET', path, undefined, {}, signal)
    let rest = ''
    try {
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = (rest + String(chunk)).split('\n')
        rest = lines.pop() ?? ''
        yield* lines
      }
    } catch (error) {
      throw this.#unreachable(error, signal)
    }
    if (rest !== '') yield rest
  }

  async #json<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
    const response = await this.#send(method, path, body, headers, signal)
    return JSON.parse(await this.#read(response, signal)) as T
  }

  async #read(response: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
    try {
      return await text(response)
    } catch (error) {
      throw this.#unreachable(error, signal)
    }
  }

  async #send(
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    const sent = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const about = {
      method,
      // a connection that is kept may be closed just when it is used again
      agent: false as const,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(sent === undefined ? {} : { 'content-type': 'application/json', 'content-length': sent.length }),
        ...headers,
      },
      ...(signal === undefined ? {} : { signal }),
    }
    let response: IncomingMessage
    try {
      response = await answerTo(`${this.url}/api/v1${path}`, about, sent)
    } catch (error) {
      throw this.#unreachable(error, signal)
    }
    const { statusCode: status = 0 } = response
    if (status < 200 || status > 299)
      throw problemOf(`${this.url}/api/v1${path}`, status, await this.#read(response, signal))
    return response
  }

  /** What a failed request means: our own abort stays what it is, all else is a Sluice that cannot be reached. */
  #unreachable(error: unknown, signal: AbortSignal | undefined): unknown {
    const timedOut = signal?.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
    if (signal?.aborted === true && !timedOut) return error
    const message = timedOut ? 'no answer in time' : reasonOf(error)
    return new SluiceError('UNREACHABLE', `Sluice at ${this.url} cannot be reached: ${message}.`, { cause: error })
  }
}

/**
 * The Sluice that runs on a project: the one `SLUICE_URL` names, else the one that left `.sluice/instance.json`. One that was started
 * in another container or on another machine is asked whether it is there.
 * @returns null when none runs
 */
export async function findRunning(project: string, env: NodeJS.ProcessEnv = process.env): Promise<Client | null> {
  const { client, isCertain } = addressed(project, env)
  return client === null || isCertain || (await isThere(client)) ? client : null
}

/**
 * As `findRunning`, for commands that have nothing to do without it: one that cannot be judged from here is not asked before.
 * @throws SluiceError NOT_RUNNING
 */
export function requireRunning(project: string, env: NodeJS.ProcessEnv = process.env): Client {
  const { client } = addressed(project, env)
  if (client === null) throw new SluiceError('NOT_RUNNING', `No Sluice runs on the project ${project}.`)
  return client
}

function addressed(project: string, env: NodeJS.ProcessEnv): { client: Client | null; isCertain: boolean } {
  if (env.SLUICE_URL !== undefined && env.SLUICE_URL !== '')
    return { client: new Client({ url: env.SLUICE_URL, token: env.SLUICE_TOKEN ?? '' }), isCertain: true }
  const instance = readInstance(project)
  const runs = instance === null ? false : isRunning(instance)
  return { client: instance === null || runs === false ? null : new Client(instance), isCertain: runs !== null }
}

/** Whether a Sluice that knows the token answers there: what else has got its port since is none. */
async function isThere(client: Client): Promise<boolean> {
  try {
    await client.get('/runs?limit=1')
    return true
  } catch (error) {
    if (error instanceof SluiceError || error instanceof SyntaxError) return false
    throw error
  }
}

/** Path segment of a name that came from the command line. */
export function segment(name: string): string {
  return encodeURIComponent(name)
}

/**
 * The beginning of an answer. By Node's own HTTP and not by `fetch`, which takes 50 to 100 ms to load: a command is to be
 * there at once, and so is the view of a Sluice that has just started.
 */
async function answerTo(address: string, about: RequestOptions, body: Buffer | undefined): Promise<IncomingMessage> {
  const url = new URL(address)
  const ask = url.protocol === 'https:' ? (await import('node:https')).request : request
  return new Promise((resolve, reject) => {
    ask(url, about, resolve).once('error', reject).end(body)
  })
}

/** The SluiceError behind an RFC 9457 document; anything else that answers is not a Sluice. */
function problemOf(url: string, status: number, body: string): SluiceError {
  const said = `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd()
  try {
    const problem = JSON.parse(body) as { code?: string; detail?: string; title?: string; hint?: string }
    const code = isErrorCode(problem.code) ? problem.code : 'INTERNAL'
    const message = problem.detail ?? problem.title ?? said
    return new SluiceError(code, message, problem.hint === undefined ? {} : { hint: problem.hint })
  } catch (error) {
    return new SluiceError('UNREACHABLE', `${url} answered ${said}, and not as Sluice does.`, { cause: error })
  }
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERRORS, code)
}

/** Where a name has several addresses, Node says what went wrong with each and nothing of the whole. */
function reasonOf(error: unknown): string {
  return messageOf(error) || String((error as { code?: string }).code)
}
