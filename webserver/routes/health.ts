import { timingSafeEqual } from 'node:crypto'
import { type Request, type Response, Router } from 'express'
import { messageOf } from '../../errors.js'
import { assertAnswers } from '../../scheduler/store/answers.js'
import { isLoopback } from '../auth/headers.js'
import { hashSecret } from '../auth/secrets.js'
import { authenticate, bearerOf, requireIdentity } from '../auth/session.js'
import type { Metrics } from '../metrics.js'
import type { Web } from '../web.js'

/**
 * `/health/live` says that the process answers, `/health/ready` that the store does too; neither tells more, so neither
 * needs a login. `/metrics` names DAGs: from this machine it is open, from others it takes a token, a user's or the one for metrics alone.
 */
export function healthRoutes(web: Web): Router {
  const router = Router()
  // loaded with the first look: most who start Sluice never take one
  let made: Promise<Metrics> | null = null
  const metrics = () => {
    made ??= import('../metrics.js').then(({ createMetrics }) => createMetrics(web.deps))
    return made
  }
  const known = authenticate(web.deps)
  router.get('/health/live', (_req, res) => {
    res.json({ status: 'live' })
  })
  router.get('/health/ready', (_req, res) => ready(web, res))
  router.get('/metrics', async (req: Request, res: Response, next) => {
    if (isLoopback(req.socket.remoteAddress ?? '') || hasMetricsToken(web, req)) return next()
    await known(req, res, (error?: unknown) => next(error))
  })
  router.get('/metrics', async (req, res) => {
    if (!isLoopback(req.socket.remoteAddress ?? '') && !hasMetricsToken(web, req)) requireIdentity(res)
    const { contentType, text } = await metrics()
    res.set('content-type', contentType).send(await text())
  })
  return router
}

function hasMetricsToken(web: Web, req: Request): boolean {
  const { metricsToken } = web.deps.config
  const sent = bearerOf(req)
  if (metricsToken === undefined || sent === null) return false
  // hashes have one length, so the comparison tells nothing about the token's
  return timingSafeEqual(Buffer.from(hashSecret(sent)), Buffer.from(hashSecret(metricsToken)))
}

async function ready(web: Web, res: Response): Promise<void> {
  try {
    await assertAnswers(web.deps.database)
    res.json({ status: 'ready' })
  } catch (error) {
    res.status(503).json({ status: 'not ready', reason: messageOf(error) })
  }
}
