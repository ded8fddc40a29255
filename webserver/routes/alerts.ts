import { type Request, type Response, Router } from 'express'
import { parseDuration } from '../../duration.js'
import { SluiceError } from '../../errors.js'
import type { Actor } from '../../scheduler/commands.js'
import { authorizeChange } from '../auth/session.js'
import { sendPage } from '../page.js'
import { alertView, messageView, muteView } from '../present/alert-view.js'
import { countOf } from '../present/numbers.js'
import { href, oneOf, textOf, wholeNumber } from '../query.js'
import type { Web } from '../web.js'
import { field } from './actions.js'

const PAGE = 50
const MESSAGES = 20
const WHICH = ['open', 'all'] as const
const LARGEST_ID = 2_147_483_647

/** What people were told of, what could not be sent, and what is muted. */
export async function alertsPage(web: Web, req: Request, res: Response): Promise<void> {
  const { store } = web.deps
  const now = web.deps.now()
  const which = oneOf(req.query.which, WHICH)
  const dag = textOf(req.query.dag)
  const before = wholeNumber(req.query.before, 1, LARGEST_ID)
  const filter = { dagId: dag === '' ? null : dag, acknowledged: which === 'open' ? false : null, before }
  const [alerts, waiting, dead, sent, mutes] = await Promise.all([
    store.listAlerts({ ...filter, limit: PAGE + 1 }),
    store.listMessages({ state: 'waiting', before: null, limit: MESSAGES }),
    store.listMessages({ state: 'dead', before: null, limit: MESSAGES }),
    store.listMessages({ state: 'sent', before: null, limit: MESSAGES }),
    store.mutes(now),
  ])
  const shown = alerts.slice(0, PAGE)
  const last = shown.at(-1)
  const more = alerts.length > PAGE && last !== undefined
  const model = {
    alerts: shown.map((alert) => alertView(alert, now)),
    choices: WHICH.map((name) => ({
      label: name === 'open' ? 'Open' : 'All',
      current: name === which,
      href: href('/alerts', { which: name, dag }),
    })),
    dag,
    which,
    older: more ? href('/alerts', { which, dag, before: last.id }) : '',
    newest: before === null ? '' : href('/alerts', { which, dag }),
    unsent: [...dead, ...waiting].map((message) => messageView(message, now)),
    unsentWords: dead.length === 0 ? '' : `${countOf(dead.length, 'message was', 'messages were')} given up`,
    sent: sent.map((message) => messageView(message, now)),
    mutes: mutes.map((mute) => muteView(mute, now)),
  }
  const keys = [
    { keys: ['j', 'k'], label: 'move' },
    { keys: ['Enter'], label: 'open' },
  ]
  await sendPage(web, req, res, 'alerts', { title: 'Alerts', section: 'alerts', keys }, model)
}

/** The forms of the page. */
export function alertActions(web: Web): Router {
  const router = Router()
  const { commands } = web.deps
  const post = (path: string, act: (req: Request, actor: Actor) => Promise<unknown>) =>
    router.post(path, async (req: Request, res: Response) => {
      const { user } = authorizeChange(req, res, 'operator', web.deps.config.baseUrl)
      await act(req, { user })
      res.redirect(303, '/alerts')
    })
  post('/alerts/:alert/acknowledge', (req, actor) =>
    commands.acknowledgeAlerts({ alertIds: [idOf(req, 'alert')] }, actor),
  )
  post('/alerts/messages/:message/acknowledge', (req, actor) =>
    commands.acknowledgeAlerts({ messageId: idOf(req, 'message') }, actor),
  )
  post('/alerts/messages/:message/retry', (req, actor) => commands.retryMessage(idOf(req, 'message'), actor))
  post('/alerts/mutes/:mute/end', (req, actor) => commands.endMute(idOf(req, 'mute'), actor))
  post('/alerts/mutes', (req, actor) => {
    const length = parseDuration(field(req, 'for'))
    if (length === null) throw new SluiceError('ALERT_INVALID', 'A mute needs its length, such as 2h or 1d.')
    const [dagId = '', taskId = null] = field(req, 'of').split('.')
    return commands.muteAlerts({ dagId, taskId, until: web.deps.now() + length, reason: field(req, 'reason') }, actor)
  })
  return router
}

function idOf(req: Request, name: string): number {
  const id = wholeNumber(req.params[name], 1, LARGEST_ID)
  if (id === null) throw new SluiceError('ALERT_UNKNOWN', `There is no such ${name}.`)
  return id
}
