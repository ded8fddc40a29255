import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant } from '../../json.js'
import type { ClearedRunsShape } from '../../scheduler/shapes.js'
import { parseIsoInstant } from './instant.js'
import { type ApiRoute, ok } from './route.js'
import { body, schemaRef, TASK_LIST } from './schemas.js'

export const CLEAR_ROUTES: ApiRoute[] = [
  {
    method: 'post',
    path: '/dags/{dag}/clear',
    summary:
      'Run tasks of many runs again, some runs at a time; `next` goes into `after` of the next call, with the same `before`',
    role: 'operator',
    body: body(
      {
        from: { type: 'string', description: 'intervals begin at or after it' },
        to: { type: 'string', description: 'intervals end at or before it' },
        before: { type: 'string', description: 'only runs that ended before; default: now' },
        after: { type: ['string', 'null'], description: 'only runs behind this one' },
        tasks: TASK_LIST,
        downstream: { type: 'boolean' },
        failed_only: { type: 'boolean' },
      },
      ['from', 'to'],
    ),
    answers: { 200: { description: 'What this call has cleared', schema: schemaRef('ClearedRuns') } },
    async handle(web, _live, call) {
      const { from, to, before, after, tasks, downstream, failed_only } = call.body
      const range = {
        from: instantOf(from),
        to: instantOf(to),
        endedBefore: before === undefined ? web.deps.now() : instantOf(before),
        after: typeof after === 'string' ? after : null,
      }
      const answer = await web.deps.commands.clearRuns(
        call.param('dag'),
        range,
        (tasks ?? null) as string[] | null,
        { downstream: downstream === true, failedOnly: failed_only === true },
        { user: call.identity.user },
      )
      return ok({
        dag: call.param('dag'),
        before: isoInstant(range.endedBefore),
        cleared: answer.cleared,
        next: answer.next,
      } satisfies ClearedRunsShape)
    },
  },
]

function instantOf(given: unknown): Instant {
  const instant = parseIsoInstant(String(given))
  if (instant !== null) return instant
  throw new SluiceError('INTERVAL_INVALID', `${String(given).slice(0, 50)} is no instant such as ${isoInstant(0)}.`)
}
