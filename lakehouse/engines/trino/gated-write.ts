import { SluiceError } from '../../../errors.js'
import type { CheckResult, Commit, WriteOutcome, WriteRequest } from '../../lakehouse.js'
import { quarantineIsTarget } from '../../names.js'
import { identifier, identifiers } from '../../sql.js'
import { keptFindings, readFindings } from '../../tables/findings.js'
import { type AuditRequest, quarantineSelect, runChecks } from './audit.js'
import { commitOf, unchangedCommit } from './commit.js'
import { endQueries } from './end-queries.js'
import {
  EMPTY_HANDLE,
  type HandedIn,
  handleJson,
  isTakenOver,
  parseHandle,
  remembered,
  type WorkHandle,
  withoutCommit,
} from './handle.js'
import { publishingHints, type Staged } from './hints.js'
import type { MadeVersion } from './history.js'
import { assertMergeKeys, hasNullPartitions } from './keys.js'
import { type Layout, layoutFor } from './layout.js'
import { qualified, type TrinoNames, type TrinoTable } from './names.js'
import type { OwnView, TableState } from './own-view.js'
import { type PlanRequest, planWrite, type WritePlan } from './plan.js'
import { QueryProgress } from './progress.js'
import { publishSql } from './publish-sql.js'
import { Publisher } from './publisher.js'
import { assertSelect, currentVersions, readSelect, standings, type TableRead } from './select.js'
import type { TrinoSession } from './session.js'
import { EarlyStaging, type StageRequest, stage } from './stage.js'
import { cleanStaging, dropTable, stagingTable } from './staging.js'
import { presentTable } from './taken-back.js'
import { type ExistingTable, existingTable } from './target.js'

/** Times a write starts over because its own table changed under it. */
const MAX_ROUNDS = 5
/** Share of the writes that look for what crashed attempts of others have left. */
const LOOKS_FOR_LEFTOVERS = 1 / 16

/** What lies in a staging table. */
interface StagedRows {
  plan: WritePlan
  /** the version of the written table that the SELECT was planned with, when it reads that */
  known: number | null
  staged: Staged
  /** a SELECT that gives them in the columns of the table */
  rows: string
}

/** One write through the gate: stage, audit, then publish by one statement, or refuse. */
export class GatedWrite {
  private readonly table: TrinoTable
  private readonly publisher: Publisher
  private checks: CheckResult[] = []
  /** tables that checks looked into */
  private checkReads: TableRead[] = []
  private handle: WorkHandle
  /** the SELECT reads the table it writes through something that has another name, such as a view */
  private readsItself = false
  private saved: Promise<void> = Promise.resolve()
  /** the handle could not be saved, as this attempt must not go on */
  private refused = false
  /** housekeeping that has begun */
  private discarded: Promise<void> | null = null

  constructor(
    private readonly session: TrinoSession,
    private readonly names: TrinoNames,
    private readonly request: WriteRequest,
    private readonly sql: string,
    private readonly view: OwnView,
    /** makes a table that lies in its folder known to Trino; false when there is none */
    private readonly register: (table: TrinoTable) => Promise<boolean>,
  ) {
    this.table = names.table(request.to)
    this.handle = parseHandle(request.outside?.earlier ?? null) ?? EMPTY_HANDLE
    this.publisher = new Publisher(session, view, request, () => this.progress('publishing'))
  }

  async run(): Promise<WriteOutcome> {
    const { quarantine } = this.request
    if (quarantine !== null && qualified(this.names.table(quarantine)) === qualified(this.table))
      throw quarantineIsTarget(this.table.label)
    await this.endEarlierStaging()
    const earlier = await this.publisher.settled(this.table, this.handle.published, this.rememberIn('published'))
    if (earlier !== null) {
      await this.cleanUp()
      const commit = commitOf(this.table, this.request.mode, earlier, {
        staged: this.handle.rows,
        changed: null,
        bytes: 0,
      })
      const { leftOut, ...findings } = readFindings(this.handle.findings)
      if (leftOut > 0) this.request.log('warn', `Of its checks and reads ${leftOut} were too many to keep.`)
      return { outcome: 'already_published', commit, ...findings }
    }
    this.handle = { ...this.handle, published: withoutCommit(this.handle.published) }
    // a publishing statement of an earlier attempt may have read what lies there until now
    if (this.handle.staging.length > 0) {
      // refused when this attempt has only been asleep: what is staged is that of the next one then
      await this.saveHandle()
      await this.cleanUp()
    }
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const outcome = await this.attempt()
      if (outcome !== 'stale') return outcome
      this.request.log('info', `Table ${this.table.label} changed while the rows were computed; computing them again.`)
    }
    const message = `Table ${this.table.label} changed ${MAX_ROUNDS} times while its new rows were computed.`
    throw new SluiceError('COMMIT_CONFLICT', message)
  }

  /** Nobody has any use for what an earlier attempt still stages: it must not go on beside this one. */
  private async endEarlierStaging(): Promise<void> {
    const { signal, log } = this.request
    await endQueries(this.session, this.handle.staging, {
      signal,
      ending: (queryId) => log('info', `Ending Trino query ${queryId}, by which an earlier attempt still stages.`),
    })
  }

  private async found(plan: WritePlan): Promise<Pick<WriteOutcome, 'checks' | 'reads' | 'foreignReads'>> {
    const reads = new Map([...(await plan.reads), ...this.checkReads].map((read) => [read.table, read]))
    const { foreign } = await plan.inputs
    return {
      checks: this.checks,
      reads: [...reads.values()],
      ...(foreign.length === 0 ? {} : { foreignReads: foreign }),
    }
  }

  private async attempt(): Promise<WriteOutcome | 'stale'> {
    const { mode, checks } = this.request
    // With nothing to audit there is nothing to stage: the SELECT itself is what the one statement publishes. A
    // CREATE OR REPLACE fails when somebody commits while it runs; an INSERT does not, so one that reads its own table is staged.
    const direct = checks.length === 0 && (mode === 'overwrite' || mode === 'append')
    const plan = direct ? await this.plan(true) : null
    if (plan !== null && (mode === 'overwrite' || !(await this.isRead(plan)))) return this.publishDirectly(plan)
    const staging = stagingTable(this.table, this.request.token, this.request.now())
    try {
      // A SELECT that reads its own table is run only when the version it reads is known: its rows are of no use when
      // somebody has changed the table since. One that does not name the table is staged at once.
      const mayReadItself = this.readsItself || plan !== null || namesTable(this.sql, this.table)
      const { known, ...staged } = await (mayReadItself ? this.stageKnown(staging, plan) : this.stageEarly(staging))
      const readVersion = await this.readVersion(staged.plan)
      if (readVersion !== known) {
        this.readsItself = true
        return await this.attempt()
      }
      return await this.gate(staging, { ...staged, readVersion })
    } finally {
      await (this.discarded ?? this.discard(staging))
      this.discarded = null
    }
  }

  /** Whether the SELECT reads the table it writes. */
  private async isRead(plan: WritePlan): Promise<boolean> {
    const { tables } = await plan.inputs
    return tables.some((table) => table.label === this.table.label)
  }

  private async publishDirectly(plan: WritePlan): Promise<WriteOutcome | 'stale'> {
    const readVersion = (await this.isRead(plan)) ? await this.readVersion(plan) : null
    return this.publish(plan, { rows: selectOf(plan), staged: null, nullPartitions: false, readVersion })
  }

  /** Audits what is staged and publishes it. */
  private async gate(
    staging: TrinoTable,
    { plan, rows, staged, readVersion }: Omit<StagedRows, 'known'> & { readVersion: number | null },
  ): Promise<WriteOutcome | 'stale'> {
    const { mode, keys, signal } = this.request
    const keyed = {
      session: this.session,
      table: this.table,
      layout: plan.layout,
      rows,
      signal,
      remember: this.remember,
    }
    const [verdict, nullPartitions] = await Promise.all([
      this.audit(this.auditOf(plan, rows)),
      mode === 'replace_partitions' && hasNullPartitions(keyed, plan.existing),
      mode === 'merge' && assertMergeKeys(keyed, keys),
    ])
    if (verdict === 'refuse') return { outcome: 'refused', table: this.table.label, ...(await this.found(plan)) }
    return this.publish(plan, { rows, staged, nullPartitions, readVersion }, () => {
      // what is staged has served; it goes while the history is looked up
      this.discarded ??= Promise.all([this.discard(staging), this.cleanUp()]).then(() => undefined)
    })
  }

  private plan(atOnce: boolean): Promise<WritePlan> {
    const { session, names, table, request, sql, view } = this
    const existing: PlanRequest['existing'] = (before) => this.existing(table, this.handle.published, before)
    return planWrite({ session, names, view, table, request, sql, atOnce, existing })
  }

  /** The version of the written table when the SELECT reads it, else null. */
  private async readVersion(plan: WritePlan): Promise<number | null> {
    const own = (await plan.reads).find((read) => read.table === this.table.label)
    return own?.version ?? null
  }

  /** @param queries of earlier attempts that were to publish into the table */
  private async existing(
    table: TrinoTable,
    queries: HandedIn[],
    before?: Promise<TableState | null>,
  ): Promise<ExistingTable | null> {
    const { signal, log } = this.request
    const look = async () => {
      const state = await before
      return typeof state?.version === 'number' ? state : this.view.state(table.label)
    }
    const existing = await presentTable(this.session, table, { look, queries, signal, log })
    if (existing !== null || !(await this.register(table))) return existing
    return existingTable(this.session, table, signal)
  }

  /** Rows of a SELECT that may read the table it writes: the version it reads is looked up first. */
  private async stageKnown(staging: TrinoTable, planned: WritePlan | null): Promise<StagedRows> {
    const plan = planned ?? (await this.plan(true))
    const known = await this.readVersion(plan)
    return { ...(await this.stageFitted(plan, staging)), known }
  }

  /** Rows of any other are staged while it is still being fitted to the table. */
  private async stageEarly(staging: TrinoTable): Promise<StagedRows> {
    const early = new EarlyStaging(this.stageRequest(staging), assertSelect(this.names.rewrite(this.sql).sql))
    let plan: WritePlan
    try {
      plan = await this.plan(false)
    } catch (error) {
      await early.stop()
      throw error
    }
    const staged = await early.staged()
    if (staged === null) return this.stageFitted(plan, staging)
    return { plan, known: null, staged, rows: projected(plan.layout, qualified(staging)) }
  }

  private async stageFitted(plan: WritePlan, staging: TrinoTable): Promise<StagedRows> {
    const staged = await stage(this.stageRequest(staging), selectOf(plan))
    const columns = identifiers(plan.layout.columns.map((column) => column.name))
    return { plan, known: null, staged, rows: `SELECT ${columns} FROM ${qualified(staging)}` }
  }

  private stageRequest(staging: TrinoTable): StageRequest {
    const { session, request, remember } = this
    return { session, staging, signal: request.signal, progress: this.progress('staging'), remember }
  }

  private auditOf(plan: WritePlan, rows: string): AuditRequest {
    const { checks, now, signal } = this.request
    return {
      session: this.session,
      names: this.names,
      table: this.table.label,
      rows,
      columns: plan.layout.columns.map((column) => column.name),
      types: new Map(plan.layout.columns.map((column) => [identifier(column.name), column.trinoType])),
      checks,
      now: now(),
      committedAt: null,
      signal,
      remember: this.remember,
    }
  }

  private async audit(request: AuditRequest): Promise<'publish' | 'refuse'> {
    const { results, reads } = await runChecks(request)
    this.checks = results
    this.checkReads = reads
    const failed = results.filter((result) => !result.passed)
    if (failed.length > 0 && this.request.quarantine !== null) {
      await this.quarantine(request, failed, this.request.quarantine)
    }
    const refused = failed.some((result) => result.severity === 'error') && !this.request.noChecks
    return refused ? 'refuse' : 'publish'
  }

  /** @param committed called as soon as the statement has ended well, before its version is looked up */
  private async publish(
    plan: WritePlan,
    source: { rows: string; staged: Staged | null; nullPartitions: boolean; readVersion: number | null },
    committed: () => void = () => undefined,
  ): Promise<WriteOutcome | 'stale'> {
    const { rows, staged, nullPartitions, readVersion } = source
    let newest = 0
    if (readVersion !== null) {
      const [standing] = await standings(this.session, [this.table], this.request.signal)
      if (standing?.version !== readVersion) return 'stale'
      newest = standing.newest
    }
    const { mode, keys } = this.request
    const sql = publishSql({ ...plan, table: this.table, mode, keys, rows, nullPartitions })
    const counted = staged?.rows ?? null
    const rememberPublished = this.rememberIn('published')
    const remember = (query: HandedIn) => {
      this.handle = { ...this.handle, rows: counted }
      return rememberPublished(query)
    }
    void this.rememberFindings(plan)
    const result = await this.publisher.publish(this.table, sql, {
      remember,
      fetched: mustBeFetched(this.table, plan.existing),
      committed,
      before: plan.before,
      append: mode === 'append',
      again: readVersion === null,
      hints: publishingHints(mode, staged),
    })
    if (result === 'stale') {
      this.handle = { ...this.handle, published: withoutCommit(this.handle.published) }
      return 'stale'
    }
    const { made, changedRows: changed, writtenBytes: bytes } = result
    if (readVersion !== null && staged !== null) this.tellUnseen(readVersion, newest, made)
    const commit =
      made === null ? await this.unchanged() : commitOf(this.table, mode, made, { staged: counted, changed, bytes })
    return { outcome: 'published', commit, ...(await this.found(plan)) }
  }

  /** A statement that publishes staged rows takes no notice of a commit between the last look and its own: that is told, not prevented. */
  private tellUnseen(readVersion: number, newest: number, made: MadeVersion | null): void {
    const before = (made?.version ?? 0) - 1
    if (before <= newest) return
    const fate =
      this.request.mode === 'overwrite' ? "is replaced by it. It is in the table's history" : 'was not seen by it'
    const message = `Version ${before} of ${this.table.label} was committed right before this one, computed from version ${readVersion}, and ${fate}.`
    this.request.log('warn', message)
  }

  /**
   * An attempt that dies once its statement is started has left behind what it found. Of rows that are not staged the lineage
   * may come later than the statement, which does not wait for it.
   */
  private async rememberFindings(plan: WritePlan): Promise<void> {
    try {
      const findings = keptFindings(await this.found(plan))
      this.handle = { ...this.handle, findings }
      if (this.handle.published.length > 0) await this.saveHandle()
    } catch {
      // the write itself asks for the same and tells why it could not be had; a claim that is lost is told to the next save
    }
  }

  /** Keeps failing rows, with queries of its own in the handle: a retry does not keep them twice. */
  private async quarantine(request: AuditRequest, failed: CheckResult[], name: string): Promise<void> {
    const select = quarantineSelect(request, failed)
    if (select === null) return
    const { signal } = this.request
    const table = this.names.table(name)
    const remember = this.rememberIn('quarantined')
    if ((await this.publisher.settled(table, this.handle.quarantined, remember)) !== null) return
    this.handle = { ...this.handle, quarantined: withoutCommit(this.handle.quarantined) }
    const [facts, existing] = await Promise.all([
      readSelect(this.session, this.names, select, { signal, subject: 'The quarantine' }),
      this.existing(table, this.handle.quarantined),
    ])
    const layout = layoutFor(table, existing, facts.columns, { mode: 'append', partitionBy: [], evolve: true })
    for (const column of layout.added) {
      await this.session.run(`ALTER TABLE ${qualified(table)} ADD COLUMN IF NOT EXISTS ${column}`, { signal })
    }
    const rows = projected(layout, `(${facts.sql})`)
    const publication = { table, existing, layout, mode: 'append' as const, keys: [], rows, nullPartitions: false }
    const before = this.view.state(table.label)
    const result = await this.publisher.publish(table, publishSql(publication), {
      remember,
      fetched: mustBeFetched(table, existing),
      before,
      append: true,
      again: true,
      hints: {},
    })
    if (result === 'stale') throw new SluiceError('COMMIT_CONFLICT', `Table ${table.label} was created meanwhile.`)
    this.request.log('info', `Kept ${result.changedRows ?? 0} failing rows in ${table.label}.`)
  }

  /** For queries that are of use to this attempt alone. */
  private readonly remember = this.rememberIn('staging')

  private rememberIn(list: 'staging' | 'published' | 'quarantined'): (query: HandedIn) => Promise<void> {
    return (query) => {
      this.handle = { ...this.handle, [list]: remembered(this.handle[list], query) }
      return this.saveHandle()
    }
  }

  /** Saves come one after the other, so that the last of them has every query. */
  private saveHandle(): Promise<void> {
    const handle = handleJson(this.handle)
    const save = () => this.request.outside?.save(handle)
    this.saved = this.saved.catch(() => undefined).then(save)
    this.saved.catch(() => {
      this.refused = true
    })
    return this.saved
  }

  /** The next attempt may wait for the query of this one, which reads what this one has staged: that attempt drops it. */
  private get isTakenOver(): boolean {
    return this.refused || isTakenOver(this.request.signal.reason)
  }

  private progress(step: string): QueryProgress {
    return new QueryProgress(step, this.request.log, (value) => this.request.outside?.progress(value))
  }

  /** A statement that changes no row may make no version: the current one then has what was to be written. */
  private async unchanged(): Promise<Commit> {
    const { signal, mode, now } = this.request
    const [current] = await currentVersions(this.session, [this.table], signal)
    return unchangedCommit(this.table, mode, current?.version ?? 0, now())
  }

  /** Housekeeping must not fail a write that has ended well, nor hide why one has not. */
  private async discard(staging: TrinoTable): Promise<void> {
    if (this.isTakenOver) return
    await dropTable(this.session, staging).catch((error: unknown) => this.housekeepingFailed(error))
  }

  /** What earlier attempts left goes with the attempt that follows them; what nobody followed, now and then. */
  private async cleanUp(): Promise<void> {
    const { token, now, outside } = this.request
    // what carries our token is a leftover only when an attempt came before this one
    const own = outside === undefined || outside.earlier === null ? null : token
    if (own === null && Math.random() > LOOKS_FOR_LEFTOVERS) return
    try {
      const dropped = await cleanStaging(this.session, this.table, own, now())
      if (dropped > 0) this.request.log('info', `Deleted what ${dropped} crashed attempts had staged.`)
    } catch (error) {
      this.housekeepingFailed(error)
    }
  }

  private housekeepingFailed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    this.request.log('warn', `Staging tables of ${this.table.label} could not be dropped: ${message}`)
  }
}

/** See `Publication.fetched`. */
function mustBeFetched(table: TrinoTable, existing: ExistingTable | null): boolean {
  return table.format === 'delta' && existing === null
}

/** Whether a text has the table's name in it; that of a column or in a string counts too, and only costs time. */
function namesTable(sql: string, table: TrinoTable): boolean {
  return sql.toLowerCase().includes(table.name)
}

function selectOf({ layout, sql }: WritePlan): string {
  return projected(layout, `(${sql}\n)`)
}

function projected(layout: Layout, relation: string): string {
  return `SELECT ${layout.expressions.join(', ')} FROM ${relation}`
}
