import { createHash } from 'node:crypto'
import express, { type Request, type Response, Router } from 'express'
import { SluiceError } from '../../errors.js'
import type { Instant, Json } from '../../json.js'
import { webhookOf } from '../../scheduler/commands/deliver.js'
import type { WebhookTrigger } from '../../scheduler/dag/model.js'
import { problems } from '../api/problems.js'
import { deliveryFault } from '../auth/delivery.js'
import { RateLimit } from '../auth/rate-limit.js'
import { logRefused } from '../log.js'
import { assertStorable, refuseUnstorable } from '../storable-text.js'
import type { Web } from '../web.js'

/** What a sender says of an event; data itself belongs into a file or a table. */
const BODY_LIMIT = '256kb'
/** Deliveries that one webhook takes within a minute, and refused ones of one address. */
const DELIVERIES_OF_MINUTE = 600
const REFUSED_OF_MINUTE = 20

/**
 * `POST /hooks/<dag>/<name>`: signed deliveries start runs. No session and no token of a user counts here, and nothing else
 * can be reached; a webhook that is not there is refused like one whose signature does not fit.
 */
export function hookRoutes(web: Web): Router {
  const router = Router()
  const refused = new RateLimit(REFUSED_OF_MINUTE)
  const taken = new RateLimit(DELIVERIES_OF_MINUTE)
  router.use(refuseUnstorable)
  router.post('/:dag/:name', express.raw({ type: () => true, limit: BODY_LIMIT }), async (req, res) => {
    const address = req.ip ?? 'unknown'
    const now = web.deps.now()
    mayTry(refused, address, now, `Too many deliveries from ${address} were refused.`, res)
    const proven = await provenDelivery(web, req, now)
    if (proven === null) {
      refused.record(address, now)
      throw new SluiceError('DELIVERY_REFUSED', 'There is no such webhook, or the delivery is not signed for it.')
    }
    const { dagId, webhook, id, body } = proven
    mayTry(taken, `${dagId}/${webhook}`, now, `The webhook ${webhook} of ${dagId} takes no more just now.`, res)
    taken.record(`${dagId}/${webhook}`, now)
    const bodyHash = createHash('sha256').update(body).digest('hex')
    const { run, repeated } = await web.deps.commands.deliver(dagId, { webhook, id, bodyHash, payload: jsonOf(body) })
    res.status(repeated ? 200 : 201).json({ run })
  })
  router.use((req) => {
    throw new SluiceError('NOT_FOUND', `There is no ${req.method} ${req.baseUrl}${req.path}.`)
  })
  router.use(problems)
  return router
}

/** @throws SluiceError TOO_MANY_REQUESTS */
function mayTry(counts: RateLimit, who: string, now: Instant, message: string, res: Response): void {
  const waitMs = counts.waitMs(who, now)
  if (waitMs === 0) return
  res.set('retry-after', String(Math.ceil(waitMs / 1000)))
  throw new SluiceError('TOO_MANY_REQUESTS', message)
}

/** The delivery when its sender is proven; the log says why it is not. */
async function provenDelivery(web: Web, req: Request, now: Instant) {
  const [dagId, webhook] = [String(req.params.dag), String(req.params.name)]
  const body: Buffer = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0)
  const trigger = await triggerOf(web, dagId, webhook)
  const secret = trigger === null ? null : (web.deps.webhookSecret?.(trigger.connection) ?? null)
  const headers = {
    id: req.get('webhook-id') ?? '',
    timestamp: req.get('webhook-timestamp') ?? '',
    signature: req.get('webhook-signature') ?? '',
  }
  const fault = secret === null ? 'there is no such webhook' : deliveryFault(headers, body, secret, now)
  if (fault === null) return { dagId, webhook, id: headers.id, body }
  logRefused(dagId, webhook, fault)
  return null
}

async function triggerOf(web: Web, dagId: string, name: string): Promise<WebhookTrigger | null> {
  const registered = await web.deps.store.dag(dagId)
  if (registered === null || !registered.present) return null
  return webhookOf(await web.dagVersion(registered.version), name)
}

/** @throws SluiceError BAD_REQUEST */
function jsonOf(body: Buffer): Json {
  if (body.length === 0) return null
  let json: Json
  try {
    json = JSON.parse(body.toString('utf8')) as Json
  } catch (cause) {
    throw new SluiceError('BAD_REQUEST', 'The body of the delivery is not JSON.', { cause })
  }
  assertStorable(json, 'The body of the delivery')
  return json
}
