import { ERRORS, type ErrorCode, messageOf, SluiceError } from '../errors.js'
import { isAlive, readInstance } from './instance.js'

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
    if (response.body === null) return
    let rest = ''
    try {
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        yield* lines
      }
    } catch (error) {
      throw this.#unreachable(error, signal)
    }
    if (rest !== '') yield rest
  }

  async #json<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const response = await this.#send(method, path, body, headers, AbortSignal.timeout(ANSWER_WITHIN_MS))
    return (await response.json()) as T
  }

  async #send(
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<Response> {
    let response: Response
    try {
      response = await fetch(`${this.url}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      throw this.#unreachable(error, signal)
    }
    if (!response.ok) throw await problemOf(response)
    return response
  }

  /** What a failed fetch means: our own abort stays what it is, all else is a Sluice that cannot be reached. */
  #unreachable(error: unknown, signal: AbortSignal | undefined): unknown {
    const timedOut = signal?.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
    if (signal?.aborted === true && !timedOut) return error
    const message = timedOut ? 'no answer in time' : reasonOf(error)
    return new SluiceError('UNREACHABLE', `Sluice at ${this.url} cannot be reached: ${message}.`, { cause: error })
  }
}

/**
 * The Sluice that runs on a project: the one `SLUICE_URL` names, else the one that left `.sluice/instance.json`.
 * @returns null when none runs
 */
export function findRunning(project: string, env: NodeJS.ProcessEnv = process.env): Client | null {
  if (env.SLUICE_URL !== undefined && env.SLUICE_URL !== '')
    return new Client({ url: env.SLUICE_URL, token: env.SLUICE_TOKEN ?? '' })
  const instance = readInstance(project)
  return instance !== null && isAlive(instance.pid) ? new Client(instance) : null
}

/** As `findRunning`; @throws SluiceError NOT_RUNNING */
export function requireRunning(project: string): Client {
  const client = findRunning(project)
  if (client === null) throw new SluiceError('NOT_RUNNING', `No Sluice runs on the project ${project}.`)
  return client
}

/** Path segment of a name that came from the command line. */
export function segment(name: string): string {
  return encodeURIComponent(name)
}

/** The SluiceError behind an RFC 9457 document; anything else that answers is not a Sluice. */
async function problemOf(response: Response): Promise<SluiceError> {
  const text = await response.text()
  try {
    const problem = JSON.parse(text) as { code?: string; detail?: string; title?: string; hint?: string }
    const code = isErrorCode(problem.code) ? problem.code : 'INTERNAL'
    const message = problem.detail ?? problem.title ?? `${response.status} ${response.statusText}`
    return new SluiceError(code, message, problem.hint === undefined ? {} : { hint: problem.hint })
  } catch (error) {
    const message = `${response.url} answered ${response.status} ${response.statusText}, and not as Sluice does.`
    return new SluiceError('UNREACHABLE', message, { cause: error })
  }
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERRORS, code)
}

/** fetch says "fetch failed" and keeps the reason in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return messageOf(cause) || String((cause as { code?: string }).code)
}
