import type { Instant } from '../../json.js'
import { AccountQueries } from './accounts.js'
import { AlertMessageQueries } from './alert-messages.js'
import { AlertQueries } from './alerts.js'
import { BackfillQueries } from './backfills.js'
import { ClaimQueries } from './claims.js'
import { ClearQueries } from './clears.js'
import { DagQueries } from './dags.js'
import type { Database } from './database.js'
import { DueRunQueries } from './due-runs.js'
import { lockFolder } from './folder-lock.js'
import { LeftWorkQueries } from './left-work.js'
import { LineageQueries } from './lineage.js'
import { assertMigrated, migrate, type ScriptDatabase } from './migrate.js'
import type { OnlyRuns } from './only-runs.js'
import { endThread, PgliteDatabase } from './pglite.js'
import { QueueAndClaim } from './queue-and-claim.js'
import { QueueingQueries } from './queueing.js'
import { RetentionQueries } from './retention.js'
import { StartQueries } from './run-starts.js'
import { RunQueries } from './runs.js'
import { SlaQueries } from './slas.js'
import { SnapshotQueries } from './snapshots.js'
import type { Store } from './store.js'
import { TriggerQueries } from './triggers.js'
import { WaitQueries } from './waits.js'

export interface OpenStore {
  store: Store
  database: Database
  /** names of the migrations that were applied now */
  applied: readonly string[]
  /**
   * Resolves with the cause when the store has broken for good (PGlite's thread has crashed, or another process has taken over
   * its folder): nothing may be written from then on, so the process should end and be started anew. Never with PostgreSQL, whose connections come back.
   */
  broken: Promise<Error>
}

/**
 * Opens the metadata store and brings it to the newest schema.
 * @param location an absolute folder for PGlite, or a `postgres://` URL
 * @param options.migrate false, for PostgreSQL only: the schema must be the newest already
 * @param options.waiting is told when a migration waits for a table that others use
 * @throws SluiceError STORE_LOCKED, NOT_WRITABLE, UNREACHABLE, MIGRATION_CHANGED, STORE_TOO_NEW, STORE_NOT_MIGRATED, STORE_BUSY
 */
export async function openStore(
  location: string,
  now: Instant,
  { migrate: mayMigrate = true, waiting }: { migrate?: boolean; waiting?: (message: string) => void } = {},
): Promise<OpenStore> {
  if (!isPostgresUrl(location)) return openFolder(location, now)
  const patience = waiting === undefined ? {} : { waiting }
  return openPostgres(location, (database) =>
    mayMigrate ? migrate(database, now, { patience }) : assertMigrated(database),
  )
}

/** Whether the `store` of a configuration is a PostgreSQL server; otherwise it is the path of a PGlite folder. */
export function isPostgresUrl(location: string): boolean {
  return /^postgres(ql)?:\/\//.test(location)
}

/**
 * The store on an open database; the suite of the store runs on it.
 * @param only the runs that are started, queued, claimed and looked for; null for all
 */
export function sqlStore(database: Database, close: () => Promise<void>, only: OnlyRuns | null = null): Store {
  const dags = new DagQueries(database)
  const both = new QueueAndClaim(database)
  const parts = {
    dags,
    dueRuns: new DueRunQueries(database),
    backfills: new BackfillQueries(database),
    clears: new ClearQueries(database),
    waits: new WaitQueries(database, only),
    triggers: new TriggerQueries(database),
    runs: new RunQueries(database),
    starts: new StartQueries(database, only),
    snapshots: new SnapshotQueries(database, (version) => dags.dagVersion(version)),
    retention: new RetentionQueries(database),
    queueing: new QueueingQueries(database, both, only),
    claims: new ClaimQueries(database, both, only),
    leftWork: new LeftWorkQueries(database),
    lineage: new LineageQueries(database),
    accounts: new AccountQueries(database),
    alerts: new AlertQueries(database),
    messages: new AlertMessageQueries(database),
    slas: new SlaQueries(database),
  }
  return joined(parts, close)
}

async function openFolder(folder: string, now: Instant): Promise<OpenStore> {
  const lock = lockFolder(folder)
  try {
    const database = await PgliteDatabase.open(folder)
    const applied = await orClose(database, migrate(database, now))
    const close = async () => {
      await database.close()
      lock.release()
    }
    const broken = Promise.race([database.broken, lock.lost])
    return { store: sqlStore(database, close), database, applied, broken }
  } catch (error) {
    lock.release()
    throw error
  }
}

async function openPostgres(
  url: string,
  prepare: (database: ScriptDatabase) => Promise<{ applied: string[] }>,
): Promise<OpenStore> {
  const [{ PostgresDatabase }] = await Promise.all([import('./postgres.js'), endThread()])
  const database = await PostgresDatabase.open(url)
  const applied = await orClose(database, prepare(database))
  const broken = new Promise<Error>(() => undefined)
  return { store: sqlStore(database, () => database.close()), database, applied, broken }
}

/** A store that cannot be used leaves no thread or connection behind. */
async function orClose(database: Database, prepared: Promise<{ applied: string[] }>): Promise<readonly string[]> {
  try {
    return (await prepared).applied
  } catch (error) {
    await database.close()
    throw error
  }
}

interface Parts {
  dags: DagQueries
  dueRuns: DueRunQueries
  backfills: BackfillQueries
  clears: ClearQueries
  waits: WaitQueries
  triggers: TriggerQueries
  runs: RunQueries
  starts: StartQueries
  snapshots: SnapshotQueries
  retention: RetentionQueries
  queueing: QueueingQueries
  claims: ClaimQueries
  leftWork: LeftWorkQueries
  lineage: LineageQueries
  accounts: AccountQueries
  alerts: AlertQueries
  messages: AlertMessageQueries
  slas: SlaQueries
}

/** One object with every method of its parts, each bound to its own part. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a plain table, one line for each method of the store
function joined(parts: Parts, close: () => Promise<void>): Store {
  const { dags, dueRuns, backfills, waits, triggers, runs, starts, snapshots, retention, queueing, claims } = parts
  const { alerts, messages, slas, lineage, accounts, clears, leftWork } = parts
  return {
    registerDags: (...args) => dags.registerDags(...args),
    dags: () => dags.dags(),
    dag: (...args) => dags.dag(...args),
    dagVersion: (...args) => dags.dagVersion(...args),
    problems: () => dags.problems(),
    setPaused: (...args) => dags.setPaused(...args),
    setNextDue: (...args) => dags.setNextDue(...args),
    dueDags: (...args) => dags.dueDags(...args),
    nextDueAt: () => dags.nextDueAt(),
    setPools: (...args) => dags.setPools(...args),
    advanceDue: (...args) => dueRuns.advanceDue(...args),
    createBackfill: (...args) => backfills.createBackfill(...args),
    backfillOfKey: (...args) => backfills.backfillOfKey(...args),
    backfill: (...args) => backfills.backfill(...args),
    backfills: (...args) => backfills.backfills(...args),
    backfillsToAdvance: (...args) => backfills.backfillsToAdvance(...args),
    slotRuns: (...args) => backfills.slotRuns(...args),
    advanceBackfill: (...args) => backfills.advanceBackfill(...args),
    setBackfillState: (...args) => backfills.setBackfillState(...args),
    activeRunsOf: (...args) => backfills.activeRunsOf(...args),
    runsToClear: (...args) => clears.runsToClear(...args),
    wakeWaiting: (...args) => waits.wakeWaiting(...args),
    wakeTask: (...args) => waits.wakeTask(...args),
    childrenToMake: (...args) => waits.childrenToMake(...args),
    childrenToCancel: (...args) => waits.childrenToCancel(...args),
    dueLooks: (...args) => waits.dueLooks(...args),
    nextLookAt: (...args) => waits.nextLookAt(...args),
    recordLooks: (...args) => waits.recordLooks(...args),
    hastenLooks: (...args) => waits.hastenLooks(...args),
    triggerSources: (...args) => triggers.triggerSources(...args),
    claimLooks: (...args) => triggers.claimLooks(...args),
    nextTriggerLook: () => triggers.nextTriggerLook(),
    recordVersions: (...args) => triggers.recordVersions(...args),
    recordFiles: (...args) => triggers.recordFiles(...args),
    knownFiles: (...args) => triggers.knownFiles(...args),
    setLook: (...args) => triggers.setLook(...args),
    pendingTriggers: (...args) => triggers.pendingTriggers(...args),
    pendingEvents: (...args) => triggers.pendingEvents(...args),
    fireTriggers: (...args) => triggers.fireTriggers(...args),
    dropEvents: (...args) => triggers.dropEvents(...args),
    createRun: (...args) => runs.createRun(...args),
    runOfKey: (...args) => runs.runOfKey(...args),
    startRuns: (...args) => starts.startRuns(...args),
    cancelOverlapping: () => starts.cancelOverlapping(),
    nextRun: (...args) => starts.nextRun(...args),
    run: (...args) => runs.run(...args),
    taskRuns: (...args) => runs.taskRuns(...args),
    outputsOf: (...args) => runs.outputsOf(...args),
    snapshot: (...args) => snapshots.snapshot(...args),
    applyDecision: (...args) => runs.applyDecision(...args),
    runsToSettle: (...args) => runs.runsToSettle(...args),
    nextRetryAt: () => runs.nextRetryAt(),
    endedRuns: (...args) => retention.endedRuns(...args),
    removeRuns: (...args) => retention.removeRuns(...args),
    queueReady: (...args) => queueing.queueReady(...args),
    staleQueued: (...args) => queueing.staleQueued(...args),
    claim: (...args) => claims.claim(...args),
    giveBack: (...args) => claims.giveBack(...args),
    heartbeat: (...args) => claims.heartbeat(...args),
    recordOutcomes: (...args) => claims.recordOutcomes(...args),
    doneBefore: (...args) => claims.doneBefore(...args),
    saveHandle: (...args) => claims.saveHandle(...args),
    saveProgress: (...args) => claims.saveProgress(...args),
    reapExpired: (...args) => claims.reapExpired(...args),
    nextLeaseEnd: () => claims.nextLeaseEnd(),
    beginEpoch: (...args) => claims.beginEpoch(...args),
    currentEpoch: () => claims.currentEpoch(),
    workers: (...args) => claims.workers(...args),
    removeWorker: (...args) => claims.removeWorker(...args),
    dueLeftWork: (...args) => leftWork.dueLeftWork(...args),
    leftBefore: (...args) => leftWork.leftBefore(...args),
    settleLeftWork: (...args) => leftWork.settleLeftWork(...args),
    runLineage: (...args) => lineage.runLineage(...args),
    dependents: (...args) => lineage.dependents(...args),
    recordTableWrite: (...args) => lineage.recordTableWrite(...args),
    saveUser: (...args) => accounts.saveUser(...args),
    users: () => accounts.users(),
    removeUser: (...args) => accounts.removeUser(...args),
    saveSecret: (...args) => accounts.saveSecret(...args),
    redeemSecret: (...args) => accounts.redeemSecret(...args),
    revokeSecret: (...args) => accounts.revokeSecret(...args),
    audit: (...args) => accounts.audit(...args),
    raiseAlerts: (...args) => alerts.raiseAlerts(...args),
    acknowledgeAlerts: (...args) => alerts.acknowledgeAlerts(...args),
    muteAlerts: (...args) => alerts.muteAlerts(...args),
    endMute: (...args) => alerts.endMute(...args),
    mutes: (...args) => alerts.mutes(...args),
    listAlerts: (...args) => alerts.listAlerts(...args),
    removeAlerts: (...args) => alerts.removeAlerts(...args),
    outbox: () => messages.outbox(),
    makeMessages: (...args) => messages.makeMessages(...args),
    dropDestination: (...args) => messages.dropDestination(...args),
    claimMessages: (...args) => messages.claimMessages(...args),
    messageContent: (...args) => messages.messageContent(...args),
    settleMessage: (...args) => messages.settleMessage(...args),
    releaseMessages: () => messages.releaseMessages(),
    retryMessage: (...args) => messages.retryMessage(...args),
    listMessages: (...args) => messages.listMessages(...args),
    dueSlas: (...args) => slas.dueSlas(...args),
    nextSlaLook: () => slas.nextSlaLook(),
    settleSlas: (...args) => slas.settleSlas(...args),
    pastRuns: (...args) => slas.pastRuns(...args),
    close,
  }
}
