import type { Request, Response } from 'express'
import { SluiceError } from '../../errors.js'
import type { JsonObject, JsonSchema } from '../../json.js'
import type { Role } from '../../scheduler/store/account-store.js'
import type { Identity } from '../auth/session.js'
import type { Live } from '../live/live.js'
import type { Web } from '../web.js'

export interface ApiCall {
  req: Request
  res: Response
  /** valid against the route's `body` */
  body: JsonObject
  /** valid against the route's `query`, as text; '' when it was not given */
  query(name: string): string
  param(name: string): string
  identity: Identity
}

/** What a handler answers; `streamed` when it has written the answer itself. */
export type ApiAnswer = { status: number; body: unknown } | 'streamed'

export interface ApiRoute {
  method: 'get' | 'post'
  /** below /api/v1, parameters as `{name}` */
  path: string
  summary: string
  role: Role
  /** query parameters: schema and meaning */
  query?: Record<string, JsonSchema>
  body?: JsonSchema
  headers?: Record<string, string>
  /** by status; the media type is JSON unless named */
  answers: Record<number, { description: string; schema: JsonSchema; media?: string }>
  handle(web: Web, live: Live, call: ApiCall): Promise<ApiAnswer>
}

/**
 * An answer that went well; what went wrong is thrown instead, and becomes a problem document (RFC 9457) in one place.
 */
export function ok(body: unknown, status = 200): ApiAnswer {
  return { status, body }
}

/** The `Idempotency-Key` of a request, null without one. @throws SluiceError BAD_REQUEST */
export function idempotencyKeyOf({ req }: ApiCall): string | null {
  const key = req.get('idempotency-key') ?? null
  if (key === null || (key !== '' && key.length <= 255)) return key
  throw new SluiceError('BAD_REQUEST', 'An Idempotency-Key has 1 to 255 characters.')
}
