import type { Store } from '../../../scheduler/store/store.js'
import { accountStore, lineageStore } from './accounts.js'
import { alertMessageStore } from './alert-messages.js'
import { alertStore } from './alerts.js'
import { backfillStore } from './backfills.js'
import { claimStore } from './claims.js'
import { dagStore } from './dags.js'
import type { StoreGuard } from './guards.js'
import { leftWorkStore } from './left-work.js'
import { retentionStore } from './retention.js'
import { runStore } from './runs.js'
import { slaStore } from './slas.js'
import { Tables } from './tables.js'
import { triggerStore } from './triggers.js'
import { waitStore } from './waits.js'

export { STORE_GUARDS, type StoreGuard } from './guards.js'
export { Tables } from './tables.js'

/**
 * The whole Store in memory, for the simulation and for tests that need no database. Each method is atomic because none
 * awaits. It passes the suite of the real stores.
 * @param without promises it shall not keep, so that the simulation proves that it would notice
 */
export function createMemoryStore(
  options: { without?: readonly StoreGuard[] } = {},
): Store & { readonly tables: Tables } {
  const tables = new Tables(options.without ?? [])
  return {
    tables,
    ...dagStore(tables),
    ...runStore(tables),
    ...retentionStore(tables),
    ...backfillStore(tables),
    ...waitStore(tables),
    ...triggerStore(tables),
    ...claimStore(tables),
    ...leftWorkStore(tables),
    ...lineageStore(tables),
    ...accountStore(tables),
    ...alertStore(tables),
    ...alertMessageStore(tables),
    ...slaStore(tables),
    async close() {},
  }
}
