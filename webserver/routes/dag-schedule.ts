import type { Request, Response } from 'express'
import { isSluiceError, SluiceError } from '../../errors.js'
import type { BackfillPreview, BackfillRequest } from '../../scheduler/commands.js'
import { upcomingIntervals } from '../../scheduler/dag/schedule.js'
import { BACKFILL_CHOICES } from '../../scheduler/store/backfill-store.js'
import { authorizeChange } from '../auth/session.js'
import { backfillView, previewView } from '../present/backfill-view.js'
import { links } from '../present/links.js'
import { intervalTwice, isUtc, timeTwice, zoneName } from '../present/time.js'
import { waitsForView } from '../present/waits-for.js'
import { instantFromText } from '../present/wall-instant.js'
import { href, wholeNumber } from '../query.js'
import type { Web } from '../web.js'
import { field } from './actions.js'
import { type DagFrame, loadDagFrame } from './dag-frame.js'
import { sendTab } from './dag-tabs.js'

const UPCOMING = 10
const BACKFILLS = 20

/** The form for a backfill as it was filled in; wall times of the DAG's zone. */
interface BackfillForm {
  from: string
  to: string
  which: string
  reverse: boolean
  maxActive: string
}

const EMPTY: BackfillForm = { from: '', to: '', which: 'missing', reverse: false, maxActive: '' }

/** When the DAG is due next, and its backfills. */
export async function dagSchedulePage(web: Web, req: Request, res: Response): Promise<void> {
  await sendSchedule(web, req, res, await loadDagFrame(web, req), EMPTY, { preview: null, error: '' })
}

/** Shows what a backfill would make, or starts it. */
export async function backfillPost(web: Web, req: Request, res: Response): Promise<void> {
  const { user } = authorizeChange(req, res, 'operator', web.deps.config.baseUrl)
  const frame = await loadDagFrame(web, req)
  const { id: dagId } = frame.dag
  const form = formOf(req)
  try {
    const request = requestOf(form, frame.timezone)
    if (field(req, 'do') === 'start') {
      await web.deps.commands.startBackfill(dagId, request, { user })
      return res.redirect(303, `${links.dagTab(dagId, 'schedule')}#backfills`)
    }
    const preview = await web.deps.commands.previewBackfill(dagId, request)
    await sendSchedule(web, req, res, frame, form, { preview, error: '' })
  } catch (error) {
    if (!isSluiceError(error, 'BACKFILL_INVALID')) throw error
    await sendSchedule(web, req, res, frame, form, { preview: null, error: error.message })
  }
}

async function sendSchedule(
  web: Web,
  req: Request,
  res: Response,
  frame: DagFrame,
  form: BackfillForm,
  asked: { preview: BackfillPreview | null; error: string },
): Promise<void> {
  const { head, dag, timezone, now } = frame
  const before = wholeNumber(req.query.before, 1, 2_147_483_647)
  const backfills = await web.deps.store.backfills(dag.id, before, BACKFILLS + 1)
  const shown = backfills.slice(0, BACKFILLS)
  const last = shown.at(-1)
  const base = links.dagTab(dag.id, 'schedule')
  const { store } = web.deps
  const [sources, pending] =
    dag.triggers.length === 0
      ? [[], []]
      : await Promise.all([store.triggerSources(dag.id), store.pendingEvents(dag.id)])
  await sendTab(web, req, res, frame, 'schedule', {
    waitsFor: waitsForView(dag, sources, pending, timezone, now),
    hasSchedule: dag.schedule !== null,
    paused: head.paused || !head.present,
    upcoming: upcomingIntervals(dag, head.nextDueAt, now, UPCOMING).map(({ start, end }) => ({
      due: timeTwice(end, timezone, now, { weekday: true, seconds: 'due' }),
      interval: intervalTwice(start, end, timezone, now),
    })),
    backfills: shown.map((backfill) => backfillView(backfill, timezone, now)),
    older: backfills.length > BACKFILLS && last !== undefined ? href(base, { before: String(last.id) }) : '',
    post: links.dagTab(dag.id, 'backfill'),
    zone: isUtc(timezone) ? 'UTC' : zoneName(timezone),
    form: { ...form, choices: BACKFILL_CHOICES.map((which) => ({ which, chosen: which === form.which })) },
    preview: asked.preview === null ? null : previewView(asked.preview, timezone, now),
    error: asked.error,
  })
}

function formOf(req: Request): BackfillForm {
  return {
    from: field(req, 'from'),
    to: field(req, 'to'),
    which: field(req, 'which'),
    reverse: field(req, 'reverse') === '1',
    maxActive: field(req, 'max_active'),
  }
}

function requestOf(form: BackfillForm, timezone: string): BackfillRequest {
  const [from, to] = [instantFromText(form.from, timezone), instantFromText(form.to, timezone)]
  const which = BACKFILL_CHOICES.find((choice) => choice === form.which)
  const maxActive = form.maxActive.trim() === '' ? null : Number(form.maxActive)
  if (from === null || to === null) throw invalid('From and To are dates or times such as 2026-11-18 06:00.')
  if (which === undefined) throw invalid(`The choice is one of ${BACKFILL_CHOICES.join(', ')}.`)
  if (maxActive !== null && (!Number.isSafeInteger(maxActive) || maxActive < 1)) {
    throw invalid('Runs at once is a whole number of at least 1, or empty.')
  }
  return { from, to, which, reverse: form.reverse, maxActive }
}

function invalid(message: string): SluiceError {
  return new SluiceError('BACKFILL_INVALID', message)
}
