import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express } from 'express'
import { SluiceError } from '../errors.js'
import { apiRoutes } from './api/router.js'
import { checkHost, securityHeaders } from './auth/headers.js'
import { authenticate } from './auth/session.js'
import type { WebDeps } from './deps.js'
import { pageErrors, requireLogin } from './errors.js'
import { Live } from './live/live.js'
import { PUBLIC } from './page.js'
import { healthRoutes } from './routes/health.js'
import { hookRoutes } from './routes/hooks.js'
import { loginRoutes } from './routes/login.js'
import { pageRoutes } from './routes/pages.js'
import { refuseUnstorable } from './storable-text.js'
import { loadViews } from './views.js'
import { createWeb } from './web.js'

/** A form may hold every parameter of a DAG; more than this is none of ours. */
const FORM_LIMIT = '256kb'
const CLOSE_WITHIN_MS = 3_000

/** The web view, the REST API, `/health` and `/metrics` as one Express application; `host` is where it will listen. */
function createApp(deps: WebDeps, host = '127.0.0.1'): { app: Express; close: () => void } {
  const web = createWeb(deps, loadViews())
  const live = new Live(web)
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.use(securityHeaders)
  app.use(checkHost(host, deps.config.baseUrl))
  app.use(
    '/assets',
    express.static(PUBLIC, {
      index: false,
      dotfiles: 'ignore',
      cacheControl: false,
      setHeaders: (res) => res.setHeader('cache-control', 'public, max-age=31536000, immutable'),
    }),
  )
  app.use(healthRoutes(web))
  app.use('/hooks', hookRoutes(web))
  app.use(authenticate(deps))
  app.use('/api/v1', apiRoutes(web, live))
  app.use(express.urlencoded({ extended: false, limit: FORM_LIMIT, parameterLimit: 5_000 }))
  app.use(refuseUnstorable)
  app.use(loginRoutes(web))
  app.use(requireLogin)
  app.use(live.routes())
  app.use(pageRoutes(web))
  app.use(pageErrors(web))
  return { app, close: () => live.close() }
}

export interface RunningWeb {
  /** where it listens, for people, e.g. `http://localhost:8080` */
  url: string
  port: number
  /** ends open streams and waits for answers under way */
  close(): Promise<void>
}

/**
 * Starts to serve.
 * @param options.port 0 for any free one
 * @throws SluiceError PORT_IN_USE
 */
export async function startWeb(options: { deps: WebDeps; host: string; port: number }): Promise<RunningWeb> {
  const { app, close } = createApp(options.deps, options.host)
  const server = createServer(app)
  server.requestTimeout = 30_000
  await listen(server, options.host, options.port)
  const { port } = server.address() as AddressInfo
  const name = ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(options.host) ? 'localhost' : options.host
  return {
    url: `http://${name.includes(':') ? `[${name}]` : name}:${port}`,
    port,
    close: () =>
      new Promise((resolve, reject) => {
        close()
        // whoever has not finished reading by then is cut off
        const cut = setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS)
        server.close((error) => {
          clearTimeout(cut)
          if (error === undefined) resolve()
          else reject(error)
        })
        server.closeIdleConnections()
      }),
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE')
        reject(new SluiceError('PORT_IN_USE', `Another program listens on port ${port} of ${host}.`, { cause }))
      else reject(cause)
    })
    server.listen(port, host, () => resolve())
  })
}
