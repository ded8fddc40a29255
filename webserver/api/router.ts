import { Ajv, type ValidateFunction } from 'ajv'
import express, { type Request, type Response, Router } from 'express'
import { SluiceError } from '../../errors.js'
import type { JsonObject } from '../../json.js'
import { authorizeChange, type Identity, requireRole } from '../auth/session.js'
import type { Live } from '../live/live.js'
import { refuseUnstorable } from '../storable-text.js'
import type { Web } from '../web.js'
import { openApi } from './openapi.js'
import { problems } from './problems.js'
import type { ApiRoute } from './route.js'
import { ALERT_ROUTES } from './routes-alerts.js'
import { APPROVAL_ROUTES } from './routes-approvals.js'
import { BACKFILL_ROUTES } from './routes-backfills.js'
import { CLEAR_ROUTES } from './routes-clear.js'
import { DAG_ROUTES } from './routes-dags.js'
import { RUN_ROUTES } from './routes-runs.js'
import { TABLE_ROUTES } from './routes-tables.js'

/** Parameters of a run may be long lists; more than this is not what they are for. */
const BODY_LIMIT = '1mb'

export const API_ROUTES: readonly ApiRoute[] = [
  ...DAG_ROUTES,
  ...BACKFILL_ROUTES,
  ...RUN_ROUTES,
  ...CLEAR_ROUTES,
  ...APPROVAL_ROUTES,
  ...TABLE_ROUTES,
  ...ALERT_ROUTES,
]

/** The REST API below /api/v1, one handler for each entry of the table that `openapi.json` is made from. */
export function apiRoutes(web: Web, live: Live): Router {
  const router = Router()
  // Our own schemas are checked by tests, not at each start; each is compiled when its route is first used.
  const ajv = new Ajv({ allErrors: true, strict: false, coerceTypes: false, meta: false, validateSchema: false })
  const described = openApi(API_ROUTES)
  router.use(express.json({ limit: BODY_LIMIT, strict: true }))
  router.use(refuseUnstorable)
  router.get('/openapi.json', (_req, res) => {
    requireRole(res, 'viewer')
    res.json(described)
  })
  for (const route of API_ROUTES) {
    let compiled: ValidateFunction | null = null
    const validate = () => {
      if (compiled === null && route.body !== undefined) compiled = ajv.compile(route.body)
      return compiled
    }
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
    router[route.method](path, (req, res) => handle(web, live, route, validate, req, res))
  }
  router.use((req) => {
    throw new SluiceError('NOT_FOUND', `There is no ${req.method} ${req.baseUrl}${req.path}.`)
  })
  router.use(problems)
  return router
}

async function handle(
  web: Web,
  live: Live,
  route: ApiRoute,
  validator: () => ValidateFunction | null,
  req: Request,
  res: Response,
): Promise<void> {
  const identity = authorize(web, route, req, res)
  const validate = validator()
  const call = {
    req,
    res,
    identity,
    body: validate === null ? {} : checkedBody(validate, req.body ?? {}),
    query: (name: string) => queryText(route, req, name),
    param: (name: string) => String(req.params[name]),
  }
  const answer = await route.handle(web, live, call)
  if (answer !== 'streamed') res.status(answer.status).json(answer.body)
}

function authorize(web: Web, route: ApiRoute, req: Request, res: Response): Identity {
  return route.method === 'post'
    ? authorizeChange(req, res, route.role, web.deps.config.baseUrl)
    : requireRole(res, route.role)
}

function checkedBody(validate: ValidateFunction, body: unknown): JsonObject {
  if (validate(body)) return body as JsonObject
  const problems = (validate.errors ?? []).slice(0, 5).map(({ instancePath, message, params }) => {
    const unknown = 'additionalProperty' in params ? ` \`${String(params.additionalProperty)}\`` : ''
    const accepted = 'allowedValues' in params ? `: ${(params.allowedValues as unknown[]).join(', ')}` : ''
    return `${instancePath === '' ? 'the body' : instancePath.slice(1).replaceAll('/', '.')} ${message}${unknown}${accepted}`
  })
  throw new SluiceError('BAD_REQUEST', `The body does not fit: ${problems.join('; ')}.`)
}

/** The text of one query parameter, checked against what the route says of it. */
function queryText(route: ApiRoute, req: Request, name: string): string {
  const value = req.query[name]
  const schema = route.query?.[name] ?? {}
  if (value === undefined || value === '') return ''
  if (typeof value !== 'string')
    throw new SluiceError('BAD_REQUEST', `The query parameter ${name} is given more than once.`)
  if (Array.isArray(schema.enum) && !schema.enum.includes(value))
    throw new SluiceError(
      'BAD_REQUEST',
      `The query parameter ${name} is one of ${schema.enum.join(', ')}, not ${value.slice(0, 50)}.`,
    )
  if (schema.type !== 'integer') return value
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema as { minimum?: number; maximum?: number }
  if (!/^\d{1,16}$/.test(value) || Number(value) < minimum || Number(value) > maximum)
    throw new SluiceError('BAD_REQUEST', `The query parameter ${name} is a whole number from ${minimum} to ${maximum}.`)
  return value
}
