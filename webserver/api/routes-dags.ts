import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant, type JsonObject } from '../../json.js'
import { upcomingIntervals } from '../../scheduler/dag/schedule.js'
import { parseIsoInstant } from './instant.js'
import { type ApiRoute, idempotencyKeyOf, ok } from './route.js'
import { body, INTERVAL, MISSED, PARAMS, schemaRef, TASK_LIST } from './schemas.js'
import { dagShape, missedShape } from './shapes.js'

const paused = { description: 'Whether it is paused now', schema: body({ paused: { type: 'boolean' } }, ['paused']) }

export const DAG_ROUTES: ApiRoute[] = [
  {
    method: 'get',
    path: '/dags',
    summary: 'All DAGs, by name',
    role: 'viewer',
    answers: { 200: { description: 'The DAGs', schema: { type: 'array', items: schemaRef('Dag') } } },
    async handle(web) {
      const registered = await web.deps.store.dags()
      return ok(await Promise.all(registered.map(async (dag) => dagShape(dag, await web.dagVersion(dag.version)))))
    },
  },
  {
    method: 'get',
    path: '/problems',
    summary: 'What is wrong with DAG files',
    role: 'viewer',
    answers: {
      200: { description: 'Problems with their places', schema: { type: 'array', items: schemaRef('Problem') } },
    },
    handle: async (web) => ok(await web.deps.store.problems()),
  },
  {
    method: 'get',
    path: '/dags/{dag}',
    summary: 'One DAG',
    role: 'viewer',
    answers: { 200: { description: 'The DAG', schema: schemaRef('Dag') } },
    async handle(web, _live, call) {
      const registered = await web.deps.store.dag(call.param('dag'))
      if (registered === null) throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${call.param('dag')}.`)
      return ok(dagShape(registered, await web.dagVersion(registered.version)))
    },
  },
  {
    method: 'get',
    path: '/dags/{dag}/schedule',
    summary: 'When a DAG is due next, and what it has missed while it was paused',
    role: 'viewer',
    query: { limit: { type: 'integer', minimum: 1, maximum: 100, description: 'At most so many due instants' } },
    answers: { 200: { description: 'Due instants and what was missed', schema: schemaRef('DagSchedule') } },
    async handle(web, _live, call) {
      const registered = await web.deps.store.dag(call.param('dag'))
      if (registered === null) throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${call.param('dag')}.`)
      const dag = await web.dagVersion(registered.version)
      const limit = Number(call.query('limit') || 10)
      const upcoming = upcomingIntervals(dag, registered.nextDueAt, web.deps.now(), limit)
      const missed = missedShape(await web.deps.commands.missed(registered.id))
      return ok({ upcoming: upcoming.map(({ start, end }) => intervalShape(start, end)), missed })
    },
  },
  {
    method: 'post',
    path: '/dags/{dag}/runs',
    summary: 'Make a run by hand; answers once the run is durable',
    role: 'operator',
    headers: { 'Idempotency-Key': 'The same key and request make one run, however often they are sent' },
    body: body({ params: PARAMS, interval: INTERVAL, tasks: TASK_LIST, no_checks: { type: 'boolean' } }),
    answers: {
      201: { description: 'The run was made', schema: body({ run: { type: 'string' } }, ['run']) },
      200: {
        description: 'The key was used before: the run it made',
        schema: body({ run: { type: 'string' } }, ['run']),
      },
    },
    async handle(web, _live, call) {
      const key = idempotencyKeyOf(call)
      const { run, repeated } = await web.deps.commands.trigger(
        call.param('dag'),
        {
          params: (call.body.params ?? {}) as JsonObject,
          interval: intervalOf(call.body.interval as { start: string; end: string } | null | undefined),
          onlyTasks: (call.body.tasks ?? null) as string[] | null,
          noChecks: call.body.no_checks === true,
        },
        { user: call.identity.user },
        key,
      )
      return ok({ run }, repeated ? 200 : 201)
    },
  },
  {
    method: 'post',
    path: '/dags/{dag}/pause',
    summary: 'Pause the schedule of a DAG; runs under way go on',
    role: 'operator',
    body: body({ reason: { type: 'string', maxLength: 500 } }),
    answers: { 200: paused },
    async handle(web, _live, call) {
      await web.deps.commands.pause(call.param('dag'), String(call.body.reason ?? ''), { user: call.identity.user })
      return ok({ paused: true })
    },
  },
  {
    method: 'post',
    path: '/dags/{dag}/resume',
    summary: 'Resume the schedule of a DAG; missed runs are made up for as its `catchup` says',
    role: 'operator',
    body: body({ skip_missed: { type: 'boolean' } }),
    answers: {
      200: {
        description: 'What was missed, and what is made of it',
        schema: body({ paused: { type: 'boolean' }, missed: MISSED }, ['paused', 'missed']),
      },
    },
    async handle(web, _live, call) {
      const options = { skipMissed: call.body.skip_missed === true }
      const missed = await web.deps.commands.resume(call.param('dag'), { user: call.identity.user }, options)
      return ok({ paused: false, missed: missedShape(missed) })
    },
  },
]

/** A run is due when its interval is over. */
function intervalShape(start: Instant, end: Instant) {
  return { due: isoInstant(end), start: isoInstant(start), end: isoInstant(end) }
}

function intervalOf(given: { start: string; end: string } | null | undefined): { start: Instant; end: Instant } | null {
  if (given == null) return null
  const [start, end] = [parseIsoInstant(given.start), parseIsoInstant(given.end)]
  if (start === null || end === null || start >= end)
    throw new SluiceError(
      'INTERVAL_INVALID',
      `${given.start}/${given.end} is no interval: give two instants such as ${isoInstant(0)}, the start first.`,
    )
  return { start, end }
}
