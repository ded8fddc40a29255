import type { AccountStore, LineageStore } from '../../../scheduler/store/store.js'
import type { Tables } from './tables.js'

export function accountStore(tables: Tables): AccountStore {
  return {
    async saveUser(name, role, now) {
      tables.users.set(name, { role, createdAt: tables.users.get(name)?.createdAt ?? now })
    },
    async users() {
      return [...tables.users].map(([name, user]) => ({ name, ...user })).sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    async removeUser(name) {
      for (const [hash, { user }] of tables.secrets) if (user === name) tables.secrets.delete(hash)
      return tables.users.delete(name) ? 'removed' : 'unknown'
    },
    async saveSecret({ kind, hash, user, expiresAt }) {
      tables.secrets.set(hash, { kind, user, expiresAt })
    },
    async redeemSecret(kind, hash, now) {
      const secret = tables.secrets.get(hash)
      const user = secret === undefined ? undefined : tables.users.get(secret.user)
      if (secret === undefined || user === undefined || secret.kind !== kind) return null
      if (secret.expiresAt !== null && secret.expiresAt <= now) return null
      if (kind === 'login_link') tables.secrets.delete(hash)
      return { user: secret.user, role: user.role }
    },
    async revokeSecret(hash) {
      tables.secrets.delete(hash)
    },
    async audit({ user, action, target }, now) {
      tables.audit.push({ user, action, target, at: now })
    },
  }
}

export function lineageStore(tables: Tables): LineageStore {
  return {
    async runLineage(runId) {
      return [...(tables.attempts.get(runId)?.values() ?? [])].flatMap(({ taskId, attempt, facts }) =>
        facts === null ? [] : [{ taskId, attempt, reads: facts.reads, writes: facts.writes, checks: facts.checks }],
      )
    },
    async recordTableWrite(write) {
      tables.tableWrites.push(write)
    },
  }
}
