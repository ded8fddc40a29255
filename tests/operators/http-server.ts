import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

export interface SeenRequest {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

/** A real HTTP server on the loopback address whose answers a test decides by path. */
export class TestServer {
  readonly seen: SeenRequest[] = []
  readonly routes = new Map<string, (response: ServerResponse, request: SeenRequest) => void>()
  #server: Server | null = null

  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.#server = server
  }

  get origin(): string {
    const address = this.#server?.address()
    if (address === null || typeof address !== 'object') throw new Error('the test server does not listen')
    return `http://127.0.0.1:${address.port}`
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const seen = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    }
    this.seen.push(seen)
    const route = this.routes.get(seen.url.split('?')[0] ?? '')
    if (route === undefined) response.writeHead(404).end('no such page')
    else route(response, seen)
  }
}
