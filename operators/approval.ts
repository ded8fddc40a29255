import { DURATION_PATTERN } from '../duration.js'
import { SluiceError } from '../errors.js'
import { isoInstant, type Json } from '../json.js'
import { durationProblem } from './duration-problem.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'
import { durationOf } from './wait-for/config.js'

type ApprovalConfig = {
  message: string
  role?: 'operator' | 'admin'
  users?: string[]
  timeout?: string
  on_timeout?: 'reject' | 'approve'
  on_reject?: 'fail' | 'skip'
}

/** When the question was asked, and when nobody's answer counts; null for never. */
type Span = { since: number; deadline: number | null }

const docs = `
A person confirms or rejects before the run goes on: on the page of the task, with \`sluice approve\`, or over the API. The
page "Now" lists what waits for a person.

\`\`\`yaml
tasks:
  looks_good:
    needs: [count]
    approval:
      message: "Publish {{ tasks.count.outputs.rows }} rows of {{ date interval.start }}?"
      users: [alice, bob]
      timeout: 24h
  publish: { needs: [looks_good], bash: make publish }
\`\`\`

While it waits the task is \`deferred\` and holds no slot. Who decided, when and with which comment is in its outputs, in the
audit and on its page.

- \`role\` and \`users\` say who may: everyone with this role (\`operator\`), or of them only those listed.
- **Rejected** means failed, without a retry; with \`on_reject: skip\` the task is skipped, and so is what needs it.
- After \`timeout\` it counts as \`on_timeout\` says: rejected, or approved. Without one it waits for ever.
- Clearing the task asks again.

**Outputs**: \`approved\`, \`by\` (null after a timeout), \`at\` and \`comment\`.
`

const message = {
  title: 'Message',
  description: 'What is asked.',
  type: 'string',
  minLength: 1,
  maxLength: 2000,
  'x-template': 'text',
  examples: ['Publish {{ tasks.count.outputs.rows }} rows?'],
}

export const approval: Operator<ApprovalConfig> = {
  type: 'approval',
  summary: 'Waits until a person confirms or rejects',
  docs,
  weight: 'light',
  writesTable: false,
  reusable: false,
  schema: {
    title: 'approval',
    description: 'Waits until a person confirms or rejects.',
    type: 'object',
    additionalProperties: false,
    required: ['message'],
    properties: {
      message,
      role: { title: 'Role', description: 'Who may decide.', enum: ['operator', 'admin'], default: 'operator' },
      users: {
        title: 'Users',
        description: 'Of those with the role only these.',
        type: 'array',
        minItems: 1,
        uniqueItems: true,
        items: { type: 'string', minLength: 1, 'x-template': 'none' },
        examples: [['alice']],
      },
      timeout: {
        title: 'Timeout',
        description: 'How long it waits; without it for ever.',
        type: 'string',
        pattern: DURATION_PATTERN,
        'x-template': 'none',
        'x-expects': 'a duration with a unit, such as 30m, 24h or 7d',
        examples: ['24h'],
      },
      on_timeout: {
        title: 'On timeout',
        description: 'What it counts as when nobody has decided in time.',
        enum: ['reject', 'approve'],
        default: 'reject',
      },
      on_reject: {
        title: 'On rejection',
        description: '`fail` the task, or `skip` it.',
        enum: ['fail', 'skip'],
        default: 'fail',
      },
    },
    dependentRequired: { on_timeout: ['timeout'] },
  },
  problems: ({ timeout }) => durationProblem(['timeout'], timeout),
  shortSchema: message,
  longForm: (value) => ({ message: value }),
  async run(config, ctx) {
    const since = ctx.now()
    const deadline = config.timeout === undefined ? null : since + durationOf('timeout', config.timeout)
    const span: Span = { since, deadline }
    await ctx.saveHandle(span)
    return ask(span, config, ctx)
  },
  async reattach(handle: Json, config, ctx) {
    const span = handle as Span
    return span.deadline !== null && ctx.now() >= span.deadline ? timedOut(config, ctx) : ask(span, config, ctx)
  },
}

function ask({ since, deadline }: Span, config: ApprovalConfig, ctx: OperatorContext): OperatorResult {
  ctx.signal.throwIfAborted()
  const { message, role = 'operator', users = [], on_reject: onReject = 'fail' } = config
  const end = deadline === null ? '' : `, at most until ${isoInstant(deadline)}`
  ctx.log('info', `asked since ${isoInstant(since)}${end}: ${message}`)
  const who = users.length > 0 ? users.join(', ') : role === 'admin' ? 'an admin' : 'a person'
  const waitsFor = { on: 'approval', kind: 'approval', message, role, users, onReject } as const
  return { deferred: { until: deadline, reason: `waits for ${who}: ${message}`, waitsFor } }
}

function timedOut(
  { timeout, on_timeout: then = 'reject', on_reject: onReject = 'fail' }: ApprovalConfig,
  ctx: OperatorContext,
): OperatorResult {
  const outputs = { approved: then === 'approve', by: null, at: isoInstant(ctx.now()), comment: '' }
  const reason = `nobody decided within ${timeout}: ${then === 'approve' ? 'approved' : 'rejected'}`
  ctx.log('info', reason)
  if (then === 'approve') return { outputs, summary: reason }
  if (onReject === 'skip') return { outputs, skipped: { reason } }
  throw new SluiceError('TIMED_OUT', reason, { hint: 'Clear the task to ask again.', retryable: false })
}
