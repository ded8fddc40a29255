import { type Request, type Response, Router } from 'express'
import { SluiceError } from '../../errors.js'
import type { Actor } from '../../scheduler/commands.js'
import type { Role } from '../../scheduler/store/account-store.js'
import { localPath } from '../auth/local-path.js'
import { authorizeChange } from '../auth/session.js'
import { links } from '../present/links.js'
import { textOf, wholeNumber } from '../query.js'
import type { Web } from '../web.js'

const MARKS = ['success', 'failed', 'skipped'] as const

type Act = (req: Request, actor: Actor, role: Role) => Promise<string>
/** @param act carries the form out and gives the page to show then */
type Post = (path: string, act: Act) => void

/** What the forms of the pages do: one command each, then back to a page that shows what has become of it. */
export function actionRoutes(web: Web): Router {
  const router = Router()
  const post: Post = (path, act) => {
    router.post(path, async (req: Request, res: Response) => {
      const { user, role } = authorizeChange(req, res, 'operator', web.deps.config.baseUrl)
      res.redirect(303, await act(req, { user }, role))
    })
  }
  dagActions(post, web)
  backfillActions(post, web)
  runActions(post, web)
  taskActions(post, web)
  return router
}

function dagActions(post: Post, { deps: { commands } }: Web): void {
  post('/dags/:dag/active', async (req, actor) => {
    const dagId = req.params.dag as string
    const skipMissed = field(req, 'skip_missed') === '1'
    if (field(req, 'active') === '1') await commands.resume(dagId, actor, { skipMissed })
    else await commands.pause(dagId, '', actor)
    return backTo(req, links.dag(dagId))
  })
}

function backfillActions(post: Post, { deps: { commands, store } }: Web): void {
  for (const action of ['pause', 'resume', 'cancel'] as const) {
    post(`/backfills/:backfill/${action}`, async (req, actor) => {
      const backfill = await store.backfill(wholeNumber(req.params.backfill, 1, 2_147_483_647) ?? 0)
      if (backfill === null) throw new SluiceError('BACKFILL_UNKNOWN', 'There is no such backfill.')
      if (action === 'pause') await commands.pauseBackfill(backfill.id, actor)
      else if (action === 'resume') await commands.resumeBackfill(backfill.id, actor)
      else await commands.cancelBackfill(backfill.id, actor)
      return `${links.dagTab(backfill.dagId, 'schedule')}#backfills`
    })
  }
}

function runActions(post: Post, { deps: { commands } }: Web): void {
  post('/runs/:run/clear', async (req, actor) => {
    const runId = req.params.run as string
    await commands.clear(runId, null, { downstream: true, failedOnly: field(req, 'failed_only') === '1' }, actor)
    return links.run(runId)
  })
  post('/runs/:run/cancel', async (req, actor) => {
    const runId = req.params.run as string
    await commands.cancel(runId, actor)
    return links.run(runId)
  })
}

function taskActions(post: Post, { deps: { commands } }: Web): void {
  const place = '/runs/:run/tasks/:task'
  post(`${place}/clear`, async (req, actor) => {
    const [runId, taskId] = [req.params.run as string, req.params.task as string]
    await commands.clear(runId, [taskId], { downstream: true, failedOnly: false }, actor)
    return links.task(runId, taskId)
  })
  post(`${place}/cancel`, async (req, actor) => {
    const [runId, taskId] = [req.params.run as string, req.params.task as string]
    await commands.cancelTask(runId, taskId, actor)
    return links.task(runId, taskId)
  })
  post(`${place}/approval`, async (req, actor, role) => {
    const [runId, taskId] = [req.params.run as string, req.params.task as string]
    const decision = field(req, 'decision')
    if (decision !== 'approve' && decision !== 'reject')
      throw new SluiceError('BAD_REQUEST', 'A decision is approve or reject.')
    const verdict = { approved: decision === 'approve', comment: field(req, 'comment').trim() }
    await commands.approve(runId, taskId, verdict, { ...actor, role })
    return links.task(runId, taskId)
  })
  post(`${place}/mark`, async (req, actor) => {
    const [runId, taskId] = [req.params.run as string, req.params.task as string]
    const state = MARKS.find((mark) => mark === field(req, 'state'))
    if (state === undefined) throw new SluiceError('BAD_REQUEST', `A task is marked ${MARKS.join(', ')}.`)
    await commands.mark(runId, [taskId], state, actor)
    return links.task(runId, taskId)
  })
}

/** A text of the form that was sent; '' when it is missing, repeated or structured. */
export function field(req: Request, name: string): string {
  const body: unknown = req.body
  return typeof body === 'object' && body !== null && name in body
    ? textOf((body as Record<string, unknown>)[name])
    : ''
}

/** The page of ours that the form stood on, as the browser says; `otherwise` when it says nothing of use. */
function backTo(req: Request, otherwise: string): string {
  const referrer = req.get('referer') ?? ''
  if (!URL.canParse(referrer)) return otherwise
  const url = new URL(referrer)
  if (url.host !== req.get('host')) return otherwise
  const path = localPath(`${url.pathname}${url.search}`)
  return path === '/' ? otherwise : path
}
