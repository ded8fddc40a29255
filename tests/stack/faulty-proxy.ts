import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'

/**
 * What becomes of one request: it passes, is lost on its way, arrives late (once `deliver` is called), or is carried out
 * while its answer is lost or torn off.
 */
export type Fate = 'pass' | 'lose_request' | 'hold_request' | 'lose_answer' | 'tear_answer'

/**
 * A TCP proxy that loses requests or answers, for any protocol in which a client sends, then the server answers (HTTP
 * without pipelining, PostgreSQL). Where an answer is lost, the server has done its work: the connection breaks once its
 * answer has begun to arrive, and the client sees none of it.
 */
export class FaultyProxy {
  /** how often each fate was met */
  readonly met: Record<Fate, number> = {
    pass: 0,
    lose_request: 0,
    hold_request: 0,
    lose_answer: 0,
    tear_answer: 0,
  }
  private readonly sockets = new Set<Socket>()
  private held: (() => void)[] = []

  private constructor(
    private readonly server: Server,
    private readonly target: { host: string; port: number },
    private readonly fateOf: (request: string) => Fate,
    private readonly losesAnswer: ((answer: string) => boolean) | null,
  ) {
    server.on('connection', (client) => this.join(client))
  }

  /**
   * @param target address of the service, e.g. the URL of an object store; only its host and port count
   * @param fateOf decides by the first bytes of a request, e.g. `PUT /bucket/key HTTP/1.1…`
   * @param losesAnswer decides by the whole answer of HTTP to a request that passed
   */
  static async start(
    target: string,
    fateOf: (request: string) => Fate,
    losesAnswer: ((answer: string) => boolean) | null = null,
  ): Promise<FaultyProxy> {
    const { hostname, port } = new URL(target)
    const server = createServer()
    const proxy = new FaultyProxy(server, { host: hostname, port: Number(port) }, fateOf, losesAnswer)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Requests that were held go on their way, on connections of their own: a server ends one that says nothing for long. */
  deliver(): void {
    for (const deliver of this.held.splice(0)) deliver()
  }

  async close(): Promise<void> {
    this.server.close()
    for (const socket of this.sockets) socket.destroy()
    await once(this.server, 'close')
  }

  /** The end of one side is the end of the other; why it ended does not matter here. */
  private tie(client: Socket, server: Socket): void {
    const both = [client, server]
    for (const socket of both) {
      this.sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.sockets.delete(socket)
        for (const other of both) other.destroy()
      })
    }
  }

  /** @returns where all goes that this client sends until the requests are delivered, and after */
  private hold(client: Socket): PassThrough {
    const request = new PassThrough()
    this.held.push(() => {
      const server = connect(this.target)
      this.tie(client, server)
      request.pipe(server).pipe(client)
    })
    return request
  }

  private join(client: Socket): void {
    const server = connect(this.target)
    this.tie(client, server)
    const cut = () => {
      for (const socket of [client, server]) socket.resetAndDestroy()
    }
    let answered = true
    let fate: Fate = 'pass'
    let late: PassThrough | null = null
    client.on('data', (chunk) => {
      if (late !== null) return void late.write(chunk)
      if (answered) {
        fate = this.fateOf(chunk.toString('latin1', 0, 1_000))
        this.met[fate] += 1
      }
      answered = false
      if (fate === 'lose_request') cut()
      else if (fate === 'hold_request') {
        late = this.hold(client)
        late.write(chunk)
        server.removeAllListeners('close').destroy()
      } else server.write(chunk)
    })
    let held = ''
    server.on('data', (chunk) => {
      answered = true
      if (fate === 'pass' && this.losesAnswer !== null) {
        held += chunk.toString('latin1')
        if (!isWhole(held)) return
        const answer = held
        held = ''
        if (!this.losesAnswer(answer)) return void client.write(Buffer.from(answer, 'latin1'))
        this.met.lose_answer += 1
        cut()
      } else if (fate === 'lose_answer') cut()
      else if (fate === 'tear_answer') client.write(chunk, cut)
      else client.write(chunk)
    })
  }
}

/** Whether an answer of HTTP has come to its end. */
function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n')
  if (end === -1) return false
  const head = answer.slice(0, end)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) return answer.length - end - 4 >= Number(length)
  return !/\r\ntransfer-encoding: *chunked/i.test(head) || answer.endsWith('\r\n0\r\n\r\n')
}
