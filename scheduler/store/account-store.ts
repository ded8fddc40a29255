import type { Instant, JsonObject } from '../../json.js'

export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

export interface AccountStore {
  /** creates the user or changes the role */
  saveUser(name: string, role: Role, now: Instant): Promise<void>
  users(): Promise<{ name: string; role: Role; createdAt: Instant }[]>
  /** with all links, sessions and tokens of the user; what they did stays in the audit */
  removeUser(name: string): Promise<'removed' | 'unknown'>
  /** only hashes of secrets are stored (SHA-256 hex of 256 random bits) */
  saveSecret(
    secret: { kind: 'login_link' | 'session' | 'api_token'; hash: string; user: string; expiresAt: Instant | null },
    now: Instant,
  ): Promise<void>
  /** a login link is used up by this, atomically; sessions and tokens stay */
  redeemSecret(
    kind: 'login_link' | 'session' | 'api_token',
    hash: string,
    now: Instant,
  ): Promise<{ user: string; role: Role } | null>
  revokeSecret(hash: string): Promise<void>
  audit(entry: AuditEntry, now: Instant): Promise<void>
}

/** Who has done what to what. */
export interface AuditEntry {
  user: string
  action: string
  target: string
  detail: JsonObject
}
