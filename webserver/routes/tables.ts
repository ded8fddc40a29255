import type { Request, Response } from 'express'
import { SluiceError } from '../../errors.js'
import type { TableSummary, TableVersion } from '../../lakehouse/lakehouse.js'
import {
  checksOfTable,
  readersSince,
  recordedVersions,
  sourcesOf,
  writersOf,
} from '../../scheduler/store/reads/tables-page.js'
import { authorizeChange } from '../auth/session.js'
import { sendPage } from '../page.js'
import { roughDuration } from '../present/duration.js'
import { links } from '../present/links.js'
import { bytes, count, countOf } from '../present/numbers.js'
import { checkHistoryView, freshnessView, lineageView, versionView } from '../present/table-view.js'
import { timeLine, timeTwice, zoneName } from '../present/time.js'
import { href, textOf, wholeNumber } from '../query.js'
import { rollBack } from '../rollback.js'
import type { Web } from '../web.js'
import { field } from './actions.js'

const PAGE = 20
const LISTED = 500
/** commits whose distances the freshness bars show */
const COMMITS = 30

/** The tables of all catalogs whose name holds the searched text, by name; of very many only the first. */
export async function tableListPage(web: Web, req: Request, res: Response): Promise<void> {
  const q = textOf(req.query.q).toLowerCase()
  const now = web.deps.now()
  const all = await web.deps.tables.tables()
  const matching = all
    .filter(({ table }) => table.toLowerCase().includes(q))
    .sort((a, b) => (a.table < b.table ? -1 : 1))
  const shown = matching.slice(0, LISTED)
  const writers = await writersOf(
    web.deps.database,
    shown.map(({ table }) => table),
  )
  const rows = shown.map((table) => ({
    table: table.table,
    href: links.table(table.table),
    format: table.format,
    version: table.version,
    rows: table.rows === null ? '' : count(table.rows),
    size: bytes(table.bytes),
    files: count(table.files),
    changed: timeTwice(table.changedAt, 'UTC', now).local,
    age: `${roughDuration(now - table.changedAt)} ago`,
    dagId: writers.get(table.table)?.dagId ?? '',
    dagHref: links.dag(writers.get(table.table)?.dagId ?? ''),
  }))
  const model = { rows, q: textOf(req.query.q), shown: rows.length, total: all.length, none: all.length === 0 }
  const keys = [
    { keys: ['j', 'k'], label: 'move' },
    { keys: ['Enter'], label: 'open' },
  ]
  await sendPage(web, req, res, 'tables', { title: 'Tables', section: 'tables', keys, hasSearch: true }, model)
}

/** What every page of a table begins with. */
async function tableFrame(web: Web, req: Request, tab: 'versions' | 'schema') {
  const name = req.params.table as string
  const now = web.deps.now()
  const summary = await web.deps.tables.summary(name)
  const table = summary.table
  const schema = await web.deps.tables.schema(table)
  const writer = (await writersOf(web.deps.database, [table])).get(table)
  const base = links.table(table)
  const parts = table.split('.')
  return {
    summary,
    schema,
    base,
    now,
    crumbs: [
      { href: '/tables', label: 'Tables' },
      ...parts.slice(0, -1).map((part) => ({ href: href('/tables', { q: `${part}.` }), label: part })),
      { href: '', label: parts.at(-1) ?? table },
    ],
    view: {
      table,
      base,
      age: `changed ${roughDuration(now - summary.changedAt)} ago`,
      format: summary.format,
      partitionBy: summary.partitionBy,
      rows: summary.rows === null ? '' : count(summary.rows),
      size: bytes(summary.bytes),
      files: count(summary.files),
      owner: writer?.owner ?? '',
      writer: writer === undefined ? null : { dagId: writer.dagId, href: links.dag(writer.dagId) },
      location: summary.location,
      tabs: [
        { label: 'Versions', count: '', href: base, current: tab === 'versions' },
        { label: 'Schema', count: String(schema.length), href: `${base}/schema`, current: tab === 'schema' },
      ],
    },
  }
}

/** Versions with the run behind each, what checks said, where the data comes from and goes to. */
export async function tablePage(web: Web, req: Request, res: Response, problem = ''): Promise<void> {
  const frame = await tableFrame(web, req, 'versions')
  const { tables, database } = web.deps
  const { summary, now, base } = frame
  const before = wholeNumber(req.query.before, 0, Number.MAX_SAFE_INTEGER)
  const to = wholeNumber(req.query.to ?? field(req, 'version'), 0, Number.MAX_SAFE_INTEGER)
  const commits = await tables.versions(summary.table, {
    limit: Math.max(PAGE, COMMITS) + 1,
    ...(before === null ? {} : { before }),
  })
  const shown = commits.slice(0, PAGE)
  const [recorded, checks, sources, readers, confirm] = await Promise.all([
    recordedVersions(database, summary.table, shown),
    checksOfTable(database, summary.table),
    sourcesOf(database, summary.table),
    readersSince(database, summary.table, 0),
    to === null || to >= summary.version ? null : confirmView(web, summary, to),
  ])
  const timezone = [...recorded.values()][0]?.timezone ?? 'UTC'
  const last = shown.at(-1)
  const model = {
    frame: frame.view,
    zone: `times in ${zoneName(timezone)}${timezone === 'UTC' ? '' : ', UTC below'}`,
    rows: shown.map((version) =>
      versionView(version, recorded.get(version.version) ?? null, {
        current: version.version === summary.version,
        chosen: version.version === to,
        base,
        timezone,
        now,
      }),
    ),
    older: commits.length > PAGE && last !== undefined ? `${base}?before=${last.version}` : '',
    newest: before === null ? '' : base,
    shown: shown.length,
    total: count(summary.version + 1),
    confirm,
    problem,
    checks: checkHistoryView(checks),
    lineage: lineageView(summary, sources, readers, now),
    freshness: before === null ? freshnessView(commits.slice(0, COMMITS), now) : null,
  }
  const keys = [
    { keys: ['j', 'k'], label: 'version' },
    { keys: ['Enter'], label: 'open' },
  ]
  const status = problem === '' ? 200 : 422
  await sendPage(
    web,
    req,
    res,
    'table',
    { title: summary.table, section: 'tables', crumbs: frame.crumbs, keys, status },
    model,
  )
}

/** What going back to `to` would touch. */
async function confirmView(web: Web, summary: TableSummary, to: number) {
  const { tables, database, now } = web.deps
  const later: TableVersion[] = await tables.versions(summary.table, { limit: 100 })
  const undone = later.filter(({ version }) => version > to)
  const [target] = await tables.versions(summary.table, { limit: 1, before: to + 1 })
  const readers = await readersSince(database, summary.table, to + 1)
  const derived = [...new Set(readers.flatMap((reader) => (reader.table === null ? [] : [reader.table])))]
  const rows = undone.reduce((sum, version) => sum + (version.rowsAdded ?? 0) - (version.rowsRemoved ?? 0), 0)
  const names = undone.slice(0, 5).map(({ version }) => version)
  return {
    version: to,
    next: summary.version + 1,
    when: target === undefined ? '' : timeLine(target.committedAt, 'UTC', now()),
    commits: countOf(summary.version - to, 'later commit'),
    names: `${names.join(', ')}${summary.version - to > names.length ? ', …' : ''}`,
    rows: rows === 0 ? '' : `${rows > 0 ? '−' : '+'}${count(Math.abs(rows))} rows`,
    readers:
      readers.length === 0
        ? ''
        : derived.length > 0
          ? derived.slice(0, 6).join(', ')
          : readers
              .slice(0, 6)
              .map((reader) => `${reader.dagId}.${reader.taskId}`)
              .join(', '),
    readerCount: derived.length > 0 ? countOf(derived.length, 'table') : countOf(readers.length, 'task'),
  }
}

/**
 * Rolls a table back for an operator who has typed its name; another name shows the page again and changes nothing.
 * @throws SluiceError FORBIDDEN, TABLE_UNKNOWN, BAD_REQUEST, or why the version cannot come back
 */
export async function rollbackPost(web: Web, req: Request, res: Response): Promise<void> {
  const { user } = authorizeChange(req, res, 'operator', web.deps.config.baseUrl)
  const table = (await web.deps.tables.summary(req.params.table as string)).table
  const version = wholeNumber(field(req, 'version'), 0, Number.MAX_SAFE_INTEGER)
  if (version === null) throw new SluiceError('BAD_REQUEST', 'The version to go back to is a whole number.')
  if (field(req, 'name') !== table) return tablePage(web, req, res, `Type ${table} to confirm; nothing was changed.`)
  await rollBack(web, { table, version, reason: field(req, 'reason'), user })
  res.redirect(303, links.table(table))
}

/** The columns of a table at its newest version. @throws SluiceError TABLE_UNKNOWN */
export async function tableSchemaPage(web: Web, req: Request, res: Response): Promise<void> {
  const frame = await tableFrame(web, req, 'schema')
  const columns = frame.schema.map((column) => ({
    name: column.name,
    type: column.type,
    nullable: column.nullable ? 'may be NULL' : 'never NULL',
    partition: frame.summary.partitionBy.includes(column.name),
  }))
  const title = `${frame.summary.table}, schema`
  await sendPage(
    web,
    req,
    res,
    'table-schema',
    { title, section: 'tables', crumbs: frame.crumbs },
    { frame: frame.view, columns },
  )
}
