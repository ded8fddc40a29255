import { randomBytes } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { NextFunction, Request, Response } from 'express'
import { SluiceError } from '../../errors.js'

const nonces = new WeakMap<Response, string>()

/** The nonce of this answer's scripts. */
export function nonceOf(res: Response): string {
  return nonces.get(res) ?? ''
}

/** Headers of every answer. Nothing runs or loads but our own files; nobody may frame a page or learn its address. */
export function securityHeaders(_req: Request, res: Response, next: NextFunction): void {
  const nonce = randomBytes(16).toString('base64url')
  nonces.set(res, nonce)
  res.set({
    'content-security-policy': [
      `default-src 'none'`,
      `script-src 'nonce-${nonce}'`,
      `style-src 'self'`,
      `img-src 'self'`,
      `connect-src 'self'`,
      `form-action 'self'`,
      `base-uri 'none'`,
      `frame-ancestors 'none'`,
    ].join('; '),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
  })
  next()
}

/**
 * Refuses names that only a rebound DNS entry could have brought here: a server bound to loopback answers to loopback
 * names and to its configured address, nothing else. Bound to a network, its names are the network's affair.
 */
export function checkHost(host: string, baseUrl: string | null) {
  const configured = baseUrl !== null && URL.canParse(baseUrl) ? new URL(baseUrl).hostname : null
  const allowed = new Set(['localhost', '127.0.0.1', '[::1]', ...(configured === null ? [] : [configured])])
  const bound = isLoopback(host)
  return (req: Request, _res: Response, next: NextFunction): void => {
    const name = (req.get('host') ?? '').toLowerCase().replace(/:\d+$/, '')
    if (bound && !allowed.has(name))
      throw new SluiceError('BAD_REQUEST', `This Sluice does not answer to the name ${name || '(none)'}.`, {
        hint: 'Use http://localhost, or set alerts.base_url in sluice.yaml to the name people use.',
      })
    next()
  }
}

/**
 * Whether an address, or the name `localhost`, is this machine's alone: 127.0.0.0/8 and ::1, also in its IPv6 form when
 * a socket that takes both reports it.
 */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host.startsWith('127.') || (isIPv6(host) && host === '::1') || host === '::ffff:127.0.0.1'
  )
}
