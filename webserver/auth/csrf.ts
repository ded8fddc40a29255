import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { SluiceError } from '../../errors.js'

/**
 * The token every form carries. It is derived from the session's own secret, which scripts cannot read and other sites
 * do not have, so it holds on every web server and after every restart without being stored.
 */
export function csrfToken(sessionSecret: string): string {
  return createHmac('sha256', sessionSecret).update('sluice form').digest('base64url')
}

/**
 * Refuses a POST that a page of ours did not send: the token must be there and fit the session, and a browser that says
 * where the request came from must name this host.
 * @throws SluiceError CSRF
 */
export function requireCsrf(req: Request, sessionSecret: string, baseUrl: string | null): void {
  const given = req.get('x-csrf-token') ?? fieldOf(req.body)
  if (given === null || !sameText(given, csrfToken(sessionSecret)))
    throw new SluiceError('CSRF', 'The form has no valid token of your session.')
  requireSameOrigin(req, baseUrl)
}

/** @throws SluiceError CSRF for a request that the browser says comes from another site */
function requireSameOrigin(req: Request, baseUrl: string | null): void {
  const site = req.get('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw new SluiceError('CSRF', 'The request comes from another site.')
  const origin = req.get('origin')
  if (origin === undefined) return
  const hosts = [req.get('host') ?? null, baseUrl === null ? null : hostOf(baseUrl)]
  const host = hostOf(origin)
  // a page without an origin of its own says `null`: it is none of ours
  if (host === null || !hosts.includes(host))
    throw new SluiceError('CSRF', `The request comes from ${origin}, not from here.`)
}

function fieldOf(body: unknown): string | null {
  if (typeof body !== 'object' || body === null || !('csrf' in body)) return null
  return typeof body.csrf === 'string' ? body.csrf : null
}

function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).host : null
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
