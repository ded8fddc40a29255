import { describe } from 'vitest'
import { accountsSuite } from './suite/accounts.js'
import { alertMessagesSuite } from './suite/alert-messages.js'
import { alertsSuite } from './suite/alerts.js'
import { backfillsSuite } from './suite/backfills.js'
import { claimsSuite } from './suite/claims.js'
import { dagsSuite } from './suite/dags.js'
import { decisionsSuite } from './suite/decisions.js'
import { dueRunsSuite } from './suite/due-runs.js'
import { leftWorkSuite } from './suite/left-work.js'
import { queueAndClaimSuite } from './suite/queue-and-claim.js'
import { queueingSuite } from './suite/queueing.js'
import { retentionSuite } from './suite/retention.js'
import { runsSuite } from './suite/runs.js'
import { slasSuite } from './suite/slas.js'
import type { FreshStore } from './suite/subject.js'
import { triggersSuite } from './suite/triggers.js'
import { waitsSuite } from './suite/waits.js'

export type { FreshStore } from './suite/subject.js'

/**
 * What makes a store correct, whatever it is made of: PGlite, PostgreSQL and the simulation's memory store pass it.
 * @param inOrder false for a store with several connections, on which two statements of one turn may pass each other
 */
export function storeSuite(name: string, fresh: FreshStore, { inOrder = true } = {}): void {
  describe(`store: ${name}`, () => {
    dagsSuite(fresh)
    runsSuite(fresh)
    dueRunsSuite(fresh)
    backfillsSuite(fresh)
    decisionsSuite(fresh)
    queueingSuite(fresh)
    queueAndClaimSuite(fresh, inOrder)
    claimsSuite(fresh)
    waitsSuite(fresh)
    leftWorkSuite(fresh)
    retentionSuite(fresh)
    slasSuite(fresh)
    triggersSuite(fresh)
    accountsSuite(fresh)
    alertsSuite(fresh)
    alertMessagesSuite(fresh)
  })
}
