import { createHash, randomBytes } from 'node:crypto'
import type { Instant } from '../../json.js'
import type { AccountStore } from '../../scheduler/store/account-store.js'

/** A login link is for now; whoever needs another one asks the command line. */
export const LOGIN_LINK_LIFE_MS = 15 * 60_000
/** A session ends two weeks after the login, whatever its use. */
export const SESSION_LIFE_MS = 14 * 86_400_000

/** 256 random bits; `prefix` tells people and secret scanners what has leaked. */
export function newSecret(prefix: string): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`
}

/** What the store keeps of a secret. The secret has 256 random bits, so a plain hash cannot be searched. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/**
 * Makes a link that logs `user` in once within 15 minutes.
 * @param user must exist (`store.saveUser`)
 * @param baseUrl the address people reach the web view at, e.g. `http://localhost:8080`
 */
export async function createLoginLink(
  store: AccountStore,
  user: string,
  baseUrl: string,
  now: Instant,
): Promise<string> {
  const token = newSecret('login')
  await store.saveSecret(
    { kind: 'login_link', hash: hashSecret(token), user, expiresAt: now + LOGIN_LINK_LIFE_MS },
    now,
  )
  return `${baseUrl.replace(/\/+$/, '')}/login?token=${token}`
}

/**
 * Makes a token for `Authorization: Bearer`; it has the role of its user at the time of each use.
 * @param user must exist (`store.saveUser`)
 * @param expiresAt null for a token that lives until it is revoked (`revokeApiToken`)
 */
export async function createApiToken(
  store: AccountStore,
  user: string,
  now: Instant,
  expiresAt: Instant | null = null,
): Promise<string> {
  const token = newSecret('sluice')
  await store.saveSecret({ kind: 'api_token', hash: hashSecret(token), user, expiresAt }, now)
  return token
}

/** Ends a token at once, for all web servers of the store; one that is unknown or expired is no error. */
export async function revokeApiToken(store: AccountStore, token: string): Promise<void> {
  await store.revokeSecret(hashSecret(token))
}
