import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** The way from a browser to a server, which a test breaks: all its connections at once, new ones may be made. */
export class BreakableWay {
  readonly #sockets = new Set<Socket>()
  /** how many were ever made */
  connections = 0

  private constructor(
    private readonly server: Server,
    port: number,
  ) {
    server.on('connection', (client) => {
      this.connections += 1
      const onward = connect(port, '127.0.0.1')
      for (const [socket, other] of [
        [client, onward],
        [onward, client],
      ] as const) {
        this.#sockets.add(socket)
        socket.pipe(other)
        socket.on('error', () => undefined) // a broken way is what it is for
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
      }
    })
  }

  static async to(port: number): Promise<BreakableWay> {
    const server = createServer()
    const way = new BreakableWay(server, port)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return way
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  breakAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.server.close()
    this.breakAll()
  }
}
