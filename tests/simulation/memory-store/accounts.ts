import { declaredId } from '../../../scheduler/core/items.js'
import type { AccountStore } from '../../../scheduler/store/account-store.js'
import { DEPENDENCIES, type Dependent, type LineageStore } from '../../../scheduler/store/store.js'
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
    async saveSecret({ kind, hash, user, expiresAt }, now) {
      for (const [known, { expiresAt: end }] of tables.secrets)
        if (end !== null && end <= now) tables.secrets.delete(known)
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
    async audit(entry, now) {
      tables.audit.push({ ...entry, at: now })
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
    async dependents(of, limit) {
      const closest = new Map<string, Dependent>()
      for (const one of [...dependentsOf(tables, of)].sort(byDependency)) {
        if (one.dagId !== of.dagId && !closest.has(one.dagId)) closest.set(one.dagId, one)
      }
      return { dependents: [...closest.values()].slice(0, limit), total: closest.size }
    },
    async recordTableWrite(write) {
      tables.tableWrites.push(write)
    },
  }
}

const byDependency = (a: Dependent, b: Dependent) =>
  DEPENDENCIES.indexOf(a.how) - DEPENDENCIES.indexOf(b.how) || (a.dagId + a.table < b.dagId + b.table ? -1 : 1)

function* dependentsOf(tables: Tables, of: Parameters<LineageStore['dependents']>[0]): Generator<Dependent> {
  const wrote = new Set(of.tables)
  for (const { run } of tables.runs.values()) {
    if (run.dagId !== of.dagId) continue
    for (const { taskId, facts } of tables.attempts.get(run.id)?.values() ?? []) {
      if (of.tasks.includes(declaredId(taskId))) for (const { table } of facts?.writes ?? []) wrote.add(table)
    }
  }
  for (const { run, tasks } of tables.runs.values()) {
    const { dagId } = run
    for (const { task } of tasks.values()) {
      const wait = task.state === 'deferred' ? task.waitsFor : null
      if (wait?.on === `dag:${of.dagId}`) yield { dagId, how: 'waits', table: '' }
      if (wait?.kind === 'look' && wrote.has(wait.table)) yield { dagId, how: 'waits', table: wait.table }
    }
    if (tables.dags.get(dagId)?.present !== true) continue
    for (const { facts } of tables.attempts.get(run.id)?.values() ?? []) {
      for (const { table } of facts?.reads ?? []) if (wrote.has(table)) yield { dagId, how: 'reads', table }
    }
  }
  for (const { dagId, kind, source } of tables.sources.values()) {
    if (kind === 'dag' && source === of.dagId) yield { dagId, how: 'dag_trigger', table: '' }
    if (kind === 'table' && wrote.has(source)) yield { dagId, how: 'table_trigger', table: source }
  }
}
