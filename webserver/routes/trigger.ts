import { randomUUID } from 'node:crypto'
import type { Request, Response } from 'express'
import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { Dag, ParamSpec } from '../../scheduler/dag/model.js'
import { latestInterval } from '../../scheduler/dag/schedule.js'
import { listRuns } from '../../scheduler/store/reads/run-list.js'
import { activeRuns, pastDurations } from '../../scheduler/store/reads/run-page.js'
import { authorizeChange, requireRole } from '../auth/session.js'
import { sendPage } from '../page.js'
import { duration } from '../present/duration.js'
import { links } from '../present/links.js'
import { countOf, spread } from '../present/numbers.js'
import { intervalTwice, isUtc, runName, zoneName } from '../present/time.js'
import { fieldView, shellCommand } from '../present/trigger-view.js'
import { textFromInstant } from '../present/wall-instant.js'
import { href, textOf } from '../query.js'
import type { Web } from '../web.js'
import { type DagFrame, dagCrumbs, loadDagFrame } from './dag-frame.js'
import { type TriggerErrors, type TriggerFields, triggerFields, triggerOptions } from './trigger-request.js'

/** The empty form, or one filled in from an earlier run (`?like=RUN`). */
export async function triggerPage(web: Web, req: Request, res: Response): Promise<void> {
  requireRole(res, 'operator')
  const frame = await loadPresent(web, req)
  const like = textOf(req.query.like)
  const earlier = like === '' ? null : await web.deps.store.run(like)
  const params = earlier !== null && earlier.dagId === frame.dag.id ? earlier.params : {}
  await sendForm(web, req, res, frame, emptyFields(frame, params), new Map())
}

/** Triggers, or shows the form again with a sentence beside each field that needs a change. */
export async function triggerPost(web: Web, req: Request, res: Response): Promise<void> {
  const { user } = authorizeChange(req, res, 'operator', web.deps.config.baseUrl)
  const frame = await loadPresent(web, req)
  const fields = triggerFields(req, frame.dag)
  const asked = triggerOptions(frame.dag, fields, frame.timezone)
  if ('errors' in asked) return sendForm(web, req, res, frame, fields, asked.errors)
  const key = fields.key === '' ? null : `form-${fields.key}`
  const { run } = await web.deps.commands.trigger(frame.dag.id, asked.options, { user }, key)
  res.redirect(303, links.run(run))
}

async function loadPresent(web: Web, req: Request): Promise<DagFrame> {
  const frame = await loadDagFrame(web, req)
  if (!frame.head.present)
    throw new SluiceError('DAG_UNKNOWN', `The file of ${frame.dag.id}, ${frame.head.file}, is gone.`, {
      hint: 'Bring the file back to trigger it again.',
    })
  return frame
}

function emptyFields({ dag, timezone, now }: DagFrame, from: JsonObject): TriggerFields {
  const latest = dag.schedule === null ? null : latestInterval(dag.schedule, now)
  const params = Object.fromEntries(
    Object.entries(dag.params).map(([name, spec]) => [name, paramText(from[name] ?? spec.default ?? null, spec)]),
  )
  return {
    params,
    interval: 'latest',
    start: latest === null ? '' : textFromInstant(latest.start, timezone),
    end: latest === null ? '' : textFromInstant(latest.end, timezone),
    tasks: 'all',
    chosen: [],
    withNeeds: true,
    noChecks: false,
    key: randomUUID(),
  }
}

function paramText(value: Json, spec: ParamSpec): string {
  if (value === null) return ''
  if (spec.type === 'array' && Array.isArray(value)) return value.map((item) => String(item)).join('\n')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

async function sendForm(
  web: Web,
  req: Request,
  res: Response,
  frame: DagFrame,
  fields: TriggerFields,
  errors: TriggerErrors,
): Promise<void> {
  const { dag, timezone } = frame
  const base = links.dagTab(dag.id, 'trigger')
  const [active, past, [last]] = await Promise.all([
    activeRuns(web.deps.database, dag.id),
    pastDurations(web.deps.database, dag.id, 30),
    listRuns(web.deps.database, { dagId: dag.id, state: null, after: null, limit: 1 }),
  ])
  const model = {
    dagId: dag.id,
    base,
    dagHref: links.dag(dag.id),
    like:
      last === undefined || Object.keys(dag.params).length === 0
        ? null
        : { href: href(base, { like: last.runId }), label: runName(last.dueAt, timezone, frame.now) },
    errors: [...errors].map(([name, message]) => ({ name, id: `p-${name}`, message })),
    heading: `Not started: ${countOf(errors.size, 'field needs', 'fields need')} a change.`,
    fields: inFileOrder(dag).map(([name, spec]) =>
      fieldView(name, spec, fields.params[name] ?? '', errors.get(name) ?? ''),
    ),
    key: fields.key,
    zone: isUtc(timezone) ? 'UTC' : zoneName(timezone),
    ...intervalView(frame, fields, errors),
    tasks: {
      all: fields.tasks === 'all',
      total: dag.tasks.length,
      error: errors.get('tasks') ?? '',
      withNeeds: fields.withNeeds,
      list: dag.tasks.map((task) => ({ id: task.id, chosen: fields.chosen.includes(task.id) })),
    },
    noChecks: fields.noChecks,
    waits: waitsView(dag, active, timezone, frame.now),
    takes: takesView(dag, past),
    writes: writesView(dag),
    version: { short: dag.version.slice(0, 7), href: links.dagTab(dag.id, 'code') },
    paused: frame.head.paused,
    shell: shellCommand(dag, fields, timezone),
  }
  const options = {
    title: `Trigger ${dag.id}`,
    section: 'dags' as const,
    crumbs: dagCrumbs(frame, 'trigger'),
    keys: [{ keys: ['Ctrl', 'Enter'], label: 'trigger' }],
    status: errors.size > 0 ? 422 : 200,
  }
  await sendPage(web, req, res, 'trigger', options, model)
}

/** The store keeps the parameters of a version without their order; the file has it. */
function inFileOrder(dag: Dag): [string, ParamSpec][] {
  const from = Math.max(0, dag.source.indexOf('params:'))
  const placeOf = (name: string) => dag.source.indexOf(`${name}:`, from)
  const places = new Map(Object.keys(dag.params).map((name) => [name, placeOf(name)]))
  return Object.entries(dag.params).sort(([a], [b]) => (places.get(a) ?? 0) - (places.get(b) ?? 0))
}

function intervalView({ dag, timezone, now }: DagFrame, fields: TriggerFields, errors: TriggerErrors) {
  const latest = dag.schedule === null ? null : latestInterval(dag.schedule, now)
  const text = latest === null ? null : intervalTwice(latest.start, latest.end, timezone, now)
  return {
    interval: {
      latest: fields.interval === 'latest',
      text: text === null ? 'The instant of the trigger' : `Latest complete: ${text.local}`,
      utc: text?.utc ?? '',
      start: fields.start,
      end: fields.end,
      error: errors.get('interval') ?? '',
    },
  }
}

function waitsView(dag: Dag, active: readonly { runId: string; dueAt: number }[], timezone: string, now: number) {
  const [first] = active
  if (first === undefined || active.length < dag.maxActiveRuns) return null
  return {
    limit: dag.maxActiveRuns,
    href: links.run(first.runId),
    label: runName(first.dueAt, timezone, now),
    more: active.length > 1 ? `and ${active.length - 1} more` : '',
  }
}

function takesView(dag: Dag, past: readonly number[]) {
  const usual = spread(past)
  const tasks = countOf(dag.tasks.length, 'task')
  return usual === null
    ? { text: `${tasks}`, note: 'no earlier run to compare with' }
    : { text: `Takes about ${duration(usual.median)}`, note: `${tasks}, p90 ${duration(usual.p90)}` }
}

/** Tables that the tasks name as their target. */
function writesView(dag: Dag) {
  const tables = [...new Set(dag.tasks.flatMap((task) => (typeof task.config.to === 'string' ? [task.config.to] : [])))]
  const shown = tables.slice(0, 8).join(', ')
  return {
    count: tables.length,
    text: `Writes ${countOf(tables.length, 'table')}`,
    names: tables.length > 8 ? `${shown}, …` : shown,
  }
}
