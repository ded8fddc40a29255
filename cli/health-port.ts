import { createServer } from 'node:http'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { messageOf } from '../errors.js'
import { portIsFree } from './serve.js'

export interface HealthPort {
  close(): Promise<void>
}

/**
 * `/health/live`, `/health/ready` and `/metrics` of a process without a web view, for whatever looks after it.
 * @param ready rejects when the process cannot do its work
 * @throws SluiceError PORT_IN_USE
 */
export async function openHealthPort(host: string, port: number, ready: () => Promise<void>): Promise<HealthPort> {
  await portIsFree(host, port)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'sluice_' })
  const server = createServer((request, response) => {
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    switch (request.url) {
      case '/health/live':
        return answer(200, { status: 'live' })
      case '/health/ready':
        return void ready().then(
          () => answer(200, { status: 'ready' }),
          (error: unknown) => answer(503, { status: 'not ready', reason: messageOf(error) }),
        )
      case '/metrics':
        return void registry
          .metrics()
          .then((text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text))
      default:
        return answer(404, { status: 'not found' })
    }
  })
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
