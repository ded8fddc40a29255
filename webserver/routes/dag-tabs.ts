import type { Request, Response } from 'express'
import { SluiceError } from '../../errors.js'
import { auditEntries } from '../../scheduler/store/reads/audit.js'
import { dagTables, dagVersions } from '../../scheduler/store/reads/dag-page.js'
import { sendPage } from '../page.js'
import { auditView } from '../present/audit.js'
import { drawGraph } from '../present/graph.js'
import { highlightSql, highlightYaml } from '../present/highlight.js'
import { links } from '../present/links.js'
import { bytes, count } from '../present/numbers.js'
import { timeTwice } from '../present/time.js'
import { href, path, textOf, wholeNumber } from '../query.js'
import type { Web } from '../web.js'
import { type DagFrame, type DagTab, dagCrumbs, frameView, loadDagFrame } from './dag-frame.js'
import { loadRunList } from './runs.js'

const VERSIONS = 50
const AUDIT = 50

/**
 * Answers with a page of a DAG: its frame with `tab` as the current one, and the template named after the tab.
 * @param model what the template shows below the frame
 */
export async function sendTab(web: Web, req: Request, res: Response, frame: DagFrame, tab: DagTab, model: object) {
  const title = `${frame.dag.id}, ${tab}`
  const options = {
    title,
    section: 'dags' as const,
    crumbs: dagCrumbs(frame, tab),
    keys: [{ keys: ['t'], label: 'trigger' }],
  }
  await sendPage(web, req, res, `dag-${tab}`, options, { frame: frameView(frame, tab), ...model })
}

/** The tasks of the current version and what they need, without a run. */
export async function dagGraphPage(web: Web, req: Request, res: Response): Promise<void> {
  const frame = await loadDagFrame(web, req)
  const operators = new Map(frame.dag.tasks.map((task) => [task.id, task.operator]))
  const drawn = drawGraph(frame.dag.tasks.map((task) => ({ id: task.id, needs: task.needs })))
  const nodes = drawn.nodes.map((node) => ({
    taskId: node.id,
    href: `${links.dag(frame.dag.id)}?task=${encodeURIComponent(node.id)}`,
    transform: `translate(${node.x} ${node.y})`,
    width: drawn.nodeWidth,
    info: operators.get(node.id) ?? '',
  }))
  const graph = { width: drawn.width, height: drawn.height, edges: drawn.edges, nodes }
  await sendTab(web, req, res, frame, 'graph', { graph, total: frame.dag.tasks.length })
}

/** The runs of one DAG, newest first, with the filters of the list of all runs. */
export async function dagRunsPage(web: Web, req: Request, res: Response): Promise<void> {
  const frame = await loadDagFrame(web, req)
  const list = await loadRunList(web, req, frame.dag.id, links.dagTab(frame.dag.id, 'runs'))
  await sendTab(web, req, res, frame, 'runs', { list })
}

/** The tables that the DAG's last runs have written, each with the newest commit of theirs. */
export async function dagTablesPage(web: Web, req: Request, res: Response): Promise<void> {
  const frame = await loadDagFrame(web, req)
  const tables = await dagTables(web.deps.database, frame.dag.id)
  const rows = tables.map((table) => ({
    table: table.table,
    href: links.table(table.table),
    version: table.version,
    taskId: table.taskId,
    taskHref: links.task(table.runId, table.taskId),
    rows: table.rowsTotal === null ? '' : count(table.rowsTotal),
    bytes: bytes(table.bytes),
    at: timeTwice(table.committedAt, frame.timezone, frame.now),
  }))
  await sendTab(web, req, res, frame, 'tables', { rows })
}

/** The YAML of one version and every file it names, as written. */
export async function dagCodePage(web: Web, req: Request, res: Response): Promise<void> {
  const frame = await loadDagFrame(web, req)
  const version = textOf(req.query.version) || frame.head.version
  const dag = version === frame.head.version ? frame.dag : await web.deps.store.dagVersion(version)
  if (dag === null || dag.id !== frame.dag.id)
    throw new SluiceError('NOT_FOUND', `${frame.dag.id} has no version ${version.slice(0, 64)}.`)
  const files = Object.entries(dag.files).map(([name, text], place) => ({
    name,
    // line anchors of the YAML are plain (#L12), those of other files carry their place
    prefix: `f${place + 1}-`,
    lines: name.endsWith('.sql') ? highlightSql(text) : highlightYaml(text, false),
  }))
  await sendTab(web, req, res, frame, 'code', {
    version: dag.version.slice(0, 7),
    current: version === frame.head.version,
    files: [{ name: dag.file, prefix: '', lines: highlightYaml(dag.source, true) }, ...files],
  })
}

/** The versions of a DAG, newest first, page by page: `before` is the instant, in milliseconds, to go on from. */
export async function dagVersionsPage(web: Web, req: Request, res: Response): Promise<void> {
  const frame = await loadDagFrame(web, req)
  const before = wholeNumber(req.query.before, 0, Number.MAX_SAFE_INTEGER)
  const versions = await dagVersions(web.deps.database, frame.dag.id, before, VERSIONS + 1)
  const shown = versions.slice(0, VERSIONS)
  const rows = shown.map((entry) => ({
    short: entry.version.slice(0, 7),
    href: href(links.dagTab(frame.dag.id, 'code'), { version: entry.version }),
    current: entry.version === frame.head.version,
    at: timeTwice(entry.createdAt, frame.timezone, frame.now),
    runs: count(entry.runs),
    last: entry.lastRunAt === null ? null : timeTwice(entry.lastRunAt, frame.timezone, frame.now),
  }))
  const last = shown.at(-1)
  const older =
    versions.length > VERSIONS && last !== undefined
      ? `${path`/dags/${frame.dag.id}/versions`}?before=${last.createdAt}`
      : ''
  await sendTab(web, req, res, frame, 'versions', { rows, older })
}

/** Who did what to this DAG and its last thousand runs, newest first. */
export async function dagAuditPage(web: Web, req: Request, res: Response): Promise<void> {
  const frame = await loadDagFrame(web, req)
  const before = wholeNumber(req.query.before, 1, Number.MAX_SAFE_INTEGER)
  const entries = await auditEntries(web.deps.database, { before, limit: AUDIT + 1, dagId: frame.dag.id })
  const audit = auditView(entries, AUDIT, links.dagTab(frame.dag.id, 'audit'), frame.now)
  await sendTab(web, req, res, frame, 'audit', { audit })
}
