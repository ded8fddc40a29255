import { SluiceError } from '../../errors.js'
import { isoInstant, isoInstantOrNull } from '../../json.js'
import type { AlertShape, MessageShape, MuteShape } from '../../scheduler/shapes.js'
import {
  type ListedAlert,
  type ListedMessage,
  MESSAGE_STATES,
  type MessageState,
  type Mute,
} from '../../scheduler/store/alert-store.js'
import { parseIsoInstant } from './instant.js'
import { type ApiCall, type ApiRoute, ok } from './route.js'
import { body, schemaRef } from './schemas.js'

const LIMIT = 100
const LARGEST_ID = 2_147_483_647
const PAGING = {
  before: { type: 'integer', minimum: 1, maximum: LARGEST_ID, description: 'Older than this one' },
  limit: { type: 'integer', minimum: 1, maximum: LIMIT, description: 'At most so many' },
} as const
const ID = { type: 'integer', minimum: 1, maximum: LARGEST_ID } as const
const WHICH = ['open', 'acknowledged', 'all'] as const
const DONE = { 200: { description: 'Done', schema: { type: 'object' } } }

export const ALERT_ROUTES: ApiRoute[] = [
  {
    method: 'get',
    path: '/alerts',
    summary: 'Alerts, newest first, with what has become of each',
    role: 'viewer',
    query: {
      dag: { type: 'string', description: 'Of this DAG only' },
      which: { enum: [...WHICH], description: 'Those that nobody has acknowledged (`open`), the others, or all' },
      ...PAGING,
    },
    answers: { 200: { description: 'The alerts', schema: { type: 'array', items: schemaRef('Alert') } } },
    async handle(web, _live, call) {
      const [dag, which] = [call.query('dag'), call.query('which')]
      const found = await web.deps.store.listAlerts({
        dagId: dag === '' ? null : dag,
        acknowledged: which === 'open' ? false : which === 'acknowledged' ? true : null,
        ...pageOf(call),
      })
      return ok(found.map(alertShape))
    },
  },
  {
    method: 'post',
    path: '/alerts/acknowledge',
    summary: 'Take note of alerts: by number, of one message, or of a DAG; what was not sent is not sent any more',
    role: 'operator',
    body: body({
      alerts: { type: 'array', items: ID, minItems: 1, maxItems: 1_000 },
      message: ID,
      dag: { type: 'string' },
    }),
    answers: DONE,
    async handle(web, _live, { body: asked, identity }) {
      const choices = [
        ...(asked.alerts === undefined ? [] : [{ alertIds: asked.alerts as number[] }]),
        ...(asked.message === undefined ? [] : [{ messageId: Number(asked.message) }]),
        ...(asked.dag === undefined ? [] : [{ dagId: String(asked.dag) }]),
      ]
      const [choice, ...more] = choices
      if (choice === undefined || more.length > 0) {
        throw new SluiceError('BAD_REQUEST', 'The body needs exactly one of `alerts`, `message` and `dag`.')
      }
      return ok({ ...(await web.deps.commands.acknowledgeAlerts(choice, { user: identity.user })) })
    },
  },
  {
    method: 'post',
    path: '/alerts/test',
    summary: 'Raise a test alert, to those named or to those in sluice.yaml; `key` finds it among the alerts',
    role: 'operator',
    body: body({
      email: { type: 'array', items: { type: 'string', pattern: '^[^\\s@<>,;:"()]+@[^\\s@<>,;:"()]+$' }, maxItems: 50 },
      webhook: { type: ['string', 'null'] },
    }),
    answers: { 202: { description: 'Raised', schema: { type: 'object' } } },
    async handle(web, _live, { body: asked, identity }) {
      const { email = [], webhook = null } = asked as { email?: string[]; webhook?: string | null }
      const recipients = email.length === 0 && webhook === null ? null : { email, webhook }
      return ok({ ...(await web.deps.commands.testAlert(recipients, { user: identity.user })) }, 202)
    },
  },
  {
    method: 'get',
    path: '/alert-messages',
    summary: 'Messages that carry alerts, newest first',
    role: 'viewer',
    query: { state: { enum: [...MESSAGE_STATES], description: 'Only those in this state' }, ...PAGING },
    answers: { 200: { description: 'The messages', schema: { type: 'array', items: schemaRef('AlertMessage') } } },
    async handle(web, _live, call) {
      const state = call.query('state')
      const filter = { state: state === '' ? null : (state as MessageState), ...pageOf(call) }
      return ok((await web.deps.store.listMessages(filter)).map(messageShape))
    },
  },
  {
    method: 'post',
    path: '/alert-messages/{message}/retry',
    summary: 'Send a message again that was given up',
    role: 'operator',
    body: body({}),
    answers: DONE,
    async handle(web, _live, call) {
      await web.deps.commands.retryMessage(idOf(call, 'message'), { user: call.identity.user })
      return ok({})
    },
  },
  {
    method: 'get',
    path: '/alert-mutes',
    summary: 'Mutes in force, the first to end first',
    role: 'viewer',
    answers: { 200: { description: 'The mutes', schema: { type: 'array', items: schemaRef('AlertMute') } } },
    handle: async (web) => ok((await web.deps.store.mutes(web.deps.now())).map(muteShape)),
  },
  {
    method: 'post',
    path: '/alert-mutes',
    summary: 'Send no alerts of a DAG or task until an instant',
    role: 'operator',
    body: body(
      {
        dag: { type: 'string' },
        task: { type: ['string', 'null'] },
        until: { type: 'string' },
        reason: { type: 'string', maxLength: 500 },
      },
      ['dag', 'until'],
    ),
    answers: { 201: { description: 'The mute', schema: { type: 'object' } } },
    async handle(web, _live, { body: asked, identity }) {
      const until = parseIsoInstant(String(asked.until))
      if (until === null) throw new SluiceError('ALERT_INVALID', '`until` is an instant such as 2026-11-20T05:00:00Z.')
      const request = {
        dagId: String(asked.dag),
        taskId: typeof asked.task === 'string' ? asked.task : null,
        until,
        reason: typeof asked.reason === 'string' ? asked.reason : '',
      }
      return ok({ ...(await web.deps.commands.muteAlerts(request, { user: identity.user })) }, 201)
    },
  },
  {
    method: 'post',
    path: '/alert-mutes/{mute}/end',
    summary: 'End a mute now',
    role: 'operator',
    body: body({}),
    answers: DONE,
    async handle(web, _live, call) {
      await web.deps.commands.endMute(idOf(call, 'mute'), { user: call.identity.user })
      return ok({})
    },
  },
]

function pageOf(call: ApiCall): { before: number | null; limit: number } {
  const [before, limit] = [call.query('before'), call.query('limit')]
  return { before: before === '' ? null : Number(before), limit: limit === '' ? LIMIT : Number(limit) }
}

function idOf(call: ApiCall, what: 'message' | 'mute'): number {
  const text = call.param(what)
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new SluiceError('ALERT_UNKNOWN', `There is no ${what} ${text.slice(0, 50)}.`)
}

function alertShape(alert: ListedAlert): AlertShape {
  return {
    alert: alert.id,
    key: alert.key,
    kind: alert.kind,
    dag: alert.dagId,
    run: alert.runId,
    task: alert.taskId,
    subject: alert.subject,
    raised_at: isoInstant(alert.raisedAt),
    payload: alert.payload,
    acknowledged_by: alert.acknowledgedBy,
    deliveries: alert.deliveries.map(({ destination, state, messageId }) => ({
      to: destination,
      state,
      message: messageId,
    })),
  }
}

function messageShape(message: ListedMessage): MessageShape {
  return {
    message: message.id,
    to: message.destination,
    state: message.state,
    alerts: message.alerts,
    attempts: message.attempts,
    next_attempt_at: message.state === 'waiting' ? isoInstant(message.nextAttemptAt) : null,
    problem: message.problem,
    created_at: isoInstant(message.createdAt),
    ended_at: isoInstantOrNull(message.endedAt),
  }
}

function muteShape(mute: Mute): MuteShape {
  return {
    mute: mute.id,
    dag: mute.dagId,
    task: mute.taskId,
    until: isoInstant(mute.until),
    reason: mute.reason,
    created_by: mute.createdBy,
    created_at: isoInstant(mute.createdAt),
  }
}
