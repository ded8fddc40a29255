import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createApiToken } from '../../webserver/auth/secrets.js'
import { healthRoutes } from '../../webserver/routes/health.js'
import { loadViews } from '../../webserver/views.js'
import { createWeb } from '../../webserver/web.js'
import { SampleWeb } from './sample-web.js'

const sample = new SampleWeb()
let server: Server

beforeAll(async () => {
  await sample.open()
  const app = express()
  app.use((req, _res, next) => {
    // as seen from a Prometheus in another container
    Object.defineProperty(req.socket, 'remoteAddress', { value: '203.0.113.7', configurable: true })
    next()
  })
  app.use(healthRoutes(createWeb(sample.deps({ metricsToken: 'of-prometheus' }), loadViews())))
  app.use((error: { code?: string }, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    res.status(401).json({ code: error.code })
  })
  server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
})
afterAll(async () => {
  server.close()
  await sample.close()
})

const status = async (path: string, token?: string) => {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { headers })).status
}

it('gives metrics to other machines for the token of metrics or of a user only', async () => {
  expect(await status('/metrics')).toBe(401)
  expect(await status('/metrics', 'of-prometheus')).toBe(200)
  expect(await status('/metrics', 'of-prometheus2')).toBe(401)
  expect(await status('/metrics', await createApiToken(sample.store, 'a_viewer', sample.now))).toBe(200)
})

it('tells everybody that it lives', async () => {
  expect(await status('/health/live')).toBe(200)
  expect(await status('/health/ready')).toBe(200)
})
