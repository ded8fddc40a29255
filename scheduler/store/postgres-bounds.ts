import { Socket } from 'node:net'
import type { ClientConfig } from 'pg'

/** Until a connection is there, or one of the pool is free. */
export const CONNECT_MS = 10_000
/** The server gives a statement up after this long, so that its outcome is known. */
const STATEMENT_MS = 15_000
/** A server that has not answered by now will not: its machine is gone, or the way to it. */
export const ANSWER_MS = 18_000
/** A connection that nobody uses is looked after so early; Node asks ten times, a second apart, before it gives it up. */
const KEEPALIVE_AFTER_MS = 5_000
/** Connections are told farewell at the end, and not for longer than this. */
const FAREWELL_MS = 2_000

/** What the server is asked to keep for statements that are part of the day's work. */
export const STATEMENT_TIMEOUT = `-c statement_timeout=${STATEMENT_MS}`

/** The time in which a server must have answered is over: nobody knows whether it has done what it was asked. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/**
 * The sockets of a pool or a client. A machine that loses its power, or is cut off, ends no connection: what waits for it
 * would wait for ever, so the waiting has bounds, and at the end nothing keeps the process.
 */
export class BoundSockets {
  readonly #open = new Set<Socket>()

  /** options for pg under which connecting is bounded and a dead connection that nobody uses is found */
  get options(): Pick<
    ClientConfig,
    'stream' | 'connectionTimeoutMillis' | 'keepAlive' | 'keepAliveInitialDelayMillis'
  > {
    return {
      stream: () => this.#socket(),
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEPALIVE_AFTER_MS,
    }
  }

  /** Resolves once they have ended; those that cannot say farewell within seconds are torn down. Never rejects. */
  async ended(farewell: Promise<void>): Promise<void> {
    await answerOf(farewell, FAREWELL_MS).catch(() => undefined)
    for (const socket of this.#open) socket.destroy()
  }

  #socket(): Socket {
    const socket = new Socket()
    this.#open.add(socket)
    return socket.once('close', () => this.#open.delete(socket))
  }
}

/**
 * What the server answers.
 * @throws NoAnswer when it takes longer than `ms`: the connection must then be destroyed
 */
export async function answerOf<Answer>(asked: Promise<Answer>, ms = ANSWER_MS): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new NoAnswer(`the server has not answered for ${ms / 1_000} s`)), ms)
  })
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}
