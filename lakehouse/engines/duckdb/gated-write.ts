import type { Catalogs, Table } from '../../catalogs.js'
import type { CheckResult, QueryResult, WriteOutcome, WriteRequest } from '../../lakehouse.js'
import { quarantineIsTarget } from '../../names.js'
import { type Findings, keptFindings, readFindings } from '../../tables/findings.js'
import { type AuditRequest, quarantineSelect, runChecks } from './audit.js'
import { filesSelect, renamed } from './file-source.js'
import { FoundNumbers } from './handle.js'
import { type FileSet, relation } from './relation.js'
import { readSelect } from './select.js'
import type { DuckdbSession } from './session.js'
import { type RowSource, type TableWrite, writeTable } from './table-write.js'
import type { TableViews } from './views.js'

/** One write through the gate: stage, audit, then publish or refuse. Run it inside `session.exclusive`. */
export class GatedWrite {
  private readonly table: Table
  private checks: CheckResult[] = []
  private readonly reads = new Map<string, QueryResult['reads'][number]>()
  private readonly found: FoundNumbers

  constructor(
    private readonly catalogs: Catalogs,
    private readonly session: DuckdbSession,
    private readonly views: TableViews,
    private readonly request: WriteRequest,
  ) {
    this.table = catalogs.table(request.to)
    this.found = new FoundNumbers(request.outside)
  }

  async run(): Promise<WriteOutcome> {
    await this.assertOwnQuarantine()
    const { commitInfo } = this.request
    const result = await writeTable({
      ...this.common(this.table, this.request.token),
      facts: () => ({ ...commitInfo, findings: keptFindings(this.findings()) }),
      mode: this.request.mode,
      keys: this.request.keys,
      partitionBy: this.request.partitionBy,
      evolve: false,
      source: () => this.source(),
      audit: (staged) => this.audit(staged),
    })
    const { outcome } = result
    if (outcome === 'refused') return { outcome, table: this.table.label, ...this.findings() }
    if (outcome === 'published') return { outcome, commit: result.commit, ...this.findings() }
    const { leftOut, ...findings } = readFindings(result.findings)
    if (leftOut > 0)
      this.request.log('warn', `The commit keeps ${leftOut} results of checks and reads less than there were.`)
    return { outcome, commit: result.commit, ...findings }
  }

  /** Two names may be one table: with and without the default catalog, or in two catalogs of one folder. */
  private async assertOwnQuarantine(): Promise<void> {
    const { quarantine } = this.request
    if (quarantine === null) return
    const table = this.catalogs.table(quarantine)
    const isTarget = table.label === this.table.label || (await table.location()) === (await this.table.location())
    if (isTarget) throw quarantineIsTarget(this.table.label)
  }

  private findings(): Findings {
    return { checks: this.checks, reads: [...this.reads.values()] }
  }

  private common(
    table: Table,
    token: string,
  ): Pick<TableWrite, 'session' | 'table' | 'token' | 'facts' | 'found' | 'now' | 'signal' | 'log'> {
    const { commitInfo, now, signal, log } = this.request
    const { session, found } = this
    return { session, table, token, facts: () => ({ ...commitInfo }), found, now, signal, log }
  }

  private async source(): Promise<RowSource> {
    const { source } = this.request
    if (source.kind === 'files') {
      const found = filesSelect(source)
      const columns = await this.session.columns(found, 'The files')
      const named = renamed(this.table.label, found, columns, source)
      return { relation: `(${named.select})`, columns: named.columns, readVersion: null }
    }
    const { tables, describes } = await readSelect(this.session, source.sql)
    const reads = await this.views.pin(tables, this.request.signal)
    this.reads.clear()
    for (const read of reads) this.reads.set(read.table, read)
    // DESCRIBE and SUMMARIZE are relations only in brackets of their own.
    const relationText = describes ? `(FROM (${source.sql}\n))` : `(${source.sql}\n)`
    return {
      relation: relationText,
      columns: await this.session.columns(source.sql),
      readVersion: this.reads.get(this.table.label)?.version ?? null,
    }
  }

  private async audit(staged: FileSet): Promise<'publish' | 'refuse'> {
    const audit: AuditRequest = {
      session: this.session,
      views: this.views,
      table: this.table.label,
      rows: relation(staged),
      columns: staged.fields.map((field) => field.name),
      checks: this.request.checks,
      now: this.request.now(),
      committedAt: null,
      signal: this.request.signal,
    }
    const { results, reads } = await runChecks(audit)
    this.checks = results
    for (const read of reads) this.reads.set(read.table, read)
    const failed = results.filter((result) => !result.passed)
    if (failed.length > 0 && this.request.quarantine !== null)
      await this.quarantine(audit, failed, this.request.quarantine)
    const refused = failed.some((result) => result.severity === 'error') && !this.request.noChecks
    return refused ? 'refuse' : 'publish'
  }

  /** Keeps failing rows, with a token of its own: a retry does not keep them twice. */
  private async quarantine(audit: AuditRequest, failed: CheckResult[], name: string): Promise<void> {
    const select = quarantineSelect(audit, failed)
    if (select === null) return
    const table = this.catalogs.table(name)
    const result = await writeTable({
      ...this.common(table, `${this.request.token}/quarantine`),
      mode: 'append',
      keys: [],
      partitionBy: [],
      evolve: true,
      source: async () => ({ relation: `(${select})`, columns: await this.session.columns(select), readVersion: null }),
      audit: async () => 'publish',
    })
    if (result.outcome === 'published')
      this.request.log('info', `Kept ${result.commit.rowsAdded} failing rows in ${table.label}.`)
  }
}
