import type { CookieOptions, NextFunction, Request, Response } from 'express'
import { SluiceError } from '../../errors.js'
import { ROLES, type Role } from '../../scheduler/store/account-store.js'
import type { WebDeps } from '../deps.js'
import { requireCsrf } from './csrf.js'
import { hashSecret, newSecret, SESSION_LIFE_MS } from './secrets.js'

const COOKIE = 'sluice_session'

/** Who asks, and by which proof. */
export interface Identity {
  user: string
  role: Role
  /** the cookie's value; null for a bearer token, which no other site can make a browser send */
  sessionSecret: string | null
}

const identities = new WeakMap<Response, Identity>()

/** Finds out who asks, from the bearer token or the session cookie; whether that is enough is decided later. */
export function authenticate(deps: WebDeps) {
  return async (req: Request, res: Response, next: NextFunction): Promise<void> => {
    const identity = await identify(deps, req)
    if (identity !== null) identities.set(res, identity)
    next()
  }
}

async function identify({ store, now }: WebDeps, req: Request): Promise<Identity | null> {
  const bearer = bearerOf(req)
  if (bearer !== null) {
    const found = await store.redeemSecret('api_token', hashSecret(bearer), now())
    return found === null ? null : { ...found, sessionSecret: null }
  }
  const secret = cookieOf(req, COOKIE)
  if (secret === null) return null
  const found = await store.redeemSecret('session', hashSecret(secret), now())
  return found === null ? null : { ...found, sessionSecret: secret }
}

/** The token of `Authorization: Bearer`; null when the request has none. */
export function bearerOf(req: Request): string | null {
  return /^Bearer +(\S+)$/i.exec(req.get('authorization') ?? '')?.[1] ?? null
}

/** Who asks, as authenticate() found out for this request; null for nobody. */
export function identityOf(res: Response): Identity | null {
  return identities.get(res) ?? null
}

/** Who asks, for what everybody may do who is logged in. @throws SluiceError LOGIN_REQUIRED */
export function requireIdentity(res: Response): Identity {
  const identity = identityOf(res)
  if (identity === null) throw new SluiceError('LOGIN_REQUIRED', 'This needs a login.')
  return identity
}

/** Who asks, for what needs a role or one above it. @throws SluiceError LOGIN_REQUIRED, FORBIDDEN */
export function requireRole(res: Response, role: Role): Identity {
  const identity = requireIdentity(res)
  if (!hasRole(identity, role))
    throw new SluiceError('FORBIDDEN', `This needs the role ${role}; ${identity.user} is ${identity.role}.`)
  return identity
}

/** Each role may do what the ones before it may. */
export function hasRole(identity: Identity, role: Role): boolean {
  return ROLES.indexOf(identity.role) >= ROLES.indexOf(role)
}

/**
 * What stands at the head of every handler that changes something: the role, and for a session the form's token.
 * @throws SluiceError LOGIN_REQUIRED, FORBIDDEN, CSRF
 */
export function authorizeChange(req: Request, res: Response, role: Role, baseUrl: string | null): Identity {
  const identity = requireIdentity(res)
  if (identity.sessionSecret !== null) requireCsrf(req, identity.sessionSecret, baseUrl)
  return requireRole(res, role)
}

/** Begins a session in the browser that gets `res`. */
export async function beginSession(deps: WebDeps, req: Request, res: Response, user: string): Promise<void> {
  const secret = newSecret('session')
  const now = deps.now()
  await deps.store.saveSecret(
    { kind: 'session', hash: hashSecret(secret), user, expiresAt: now + SESSION_LIFE_MS },
    now,
  )
  res.cookie(COOKIE, secret, { ...cookieOptions(deps, req), maxAge: SESSION_LIFE_MS })
}

/**
 * Logs out: the session ends in the store, wherever its cookie was copied to. A request with an API token has no
 * session, and its token lives on.
 */
export async function endSession(deps: WebDeps, req: Request, res: Response, identity: Identity): Promise<void> {
  if (identity.sessionSecret !== null) await deps.store.revokeSecret(hashSecret(identity.sessionSecret))
  res.clearCookie(COOKIE, cookieOptions(deps, req))
}

/** Lax and not Strict: the login link comes from a terminal or a mail, and its redirect must carry the cookie. */
function cookieOptions({ config }: WebDeps, req: Request): CookieOptions {
  const secure = req.secure || config.baseUrl?.startsWith('https:') === true
  return { httpOnly: true, sameSite: 'lax', secure, path: '/' }
}

/** The value of one cookie of the request; null when the browser sent none. */
export function cookieOf(req: Request, name: string): string | null {
  for (const pair of (req.get('cookie') ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return null
}
