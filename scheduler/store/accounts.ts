import type { Instant } from '../../json.js'
import type { AccountStore, Role } from './account-store.js'
import { type Database, sqlInstant, sqlInstantOrNull } from './database.js'
import { json } from './rows.js'

/** People, the hashes of their secrets, and what they did. */
export class AccountQueries implements AccountStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async saveUser(name: string, role: Role, now: Instant): Promise<void> {
    await this.#database.query(
      'insert into users (name, role, created_at) values ($1, $2, $3) on conflict (name) do update set role = excluded.role',
      [name, role, sqlInstant(now)],
    )
  }

  async users(): Promise<{ name: string; role: Role; createdAt: Instant }[]> {
    const rows = await this.#database.query<{ name: string; role: Role; created_at: Instant }>(
      'select name, role, created_at from users order by name',
    )
    return rows.map((row) => ({ name: row.name, role: row.role, createdAt: row.created_at }))
  }

  async removeUser(name: string): Promise<'removed' | 'unknown'> {
    const rows = await this.#database.query('delete from users where name = $1 returning name', [name])
    return rows.length === 0 ? 'unknown' : 'removed'
  }

  async saveSecret(secret: Parameters<AccountStore['saveSecret']>[0], now: Instant): Promise<void> {
    // each new one clears away those that are good for nothing any more
    await this.#database.query(
      `with over as (delete from secrets where expires_at <= $4)
       insert into secrets (hash, kind, user_name, created_at, expires_at) values ($1, $2, $3, $4, $5)`,
      [secret.hash, secret.kind, secret.user, sqlInstant(now), sqlInstantOrNull(secret.expiresAt)],
    )
  }

  async redeemSecret(
    kind: Parameters<AccountStore['redeemSecret']>[0],
    hash: string,
    now: Instant,
  ): Promise<{ user: string; role: Role } | null> {
    const valid = `s.hash = $1 and s.kind = $2 and (s.expires_at is null or s.expires_at > $3)`
    const params = [hash, kind, sqlInstant(now)]
    const [row] = await this.#database.query<{ name: string; role: Role }>(
      kind === 'login_link'
        ? `delete from secrets s using users u where ${valid} and u.name = s.user_name returning u.name, u.role`
        : `select u.name, u.role from secrets s join users u on u.name = s.user_name where ${valid}`,
      params,
    )
    return row === undefined ? null : { user: row.name, role: row.role }
  }

  async revokeSecret(hash: string): Promise<void> {
    await this.#database.query('delete from secrets where hash = $1', [hash])
  }

  async audit(entry: Parameters<AccountStore['audit']>[0], now: Instant): Promise<void> {
    await this.#database.query(
      'insert into audit (at, user_name, action, target, detail) values ($1, $2, $3, $4, $5::jsonb)',
      [sqlInstant(now), entry.user, entry.action, entry.target, json(entry.detail)],
    )
  }
}
