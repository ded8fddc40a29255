import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant, isoInstantOrNull } from '../../json.js'
import type { BackfillPreview, BackfillRequest } from '../../scheduler/commands.js'
import type { BackfillPreviewShape, BackfillShape } from '../../scheduler/shapes.js'
import { BACKFILL_CHOICES, type Backfill, type BackfillChoice } from '../../scheduler/store/backfill-store.js'
import { parseIsoInstant } from './instant.js'
import { type ApiCall, type ApiRoute, idempotencyKeyOf, ok } from './route.js'
import { body, schemaRef } from './schemas.js'

const LIMIT = 100
const BACKFILL = { 200: { description: 'The backfill as it is now', schema: schemaRef('Backfill') } }

export const BACKFILL_ROUTES: ApiRoute[] = [
  {
    method: 'post',
    path: '/dags/{dag}/backfills',
    summary: 'Make runs for intervals of the past, or only tell which with `dry_run`',
    role: 'operator',
    headers: { 'Idempotency-Key': 'The same key and request make one backfill, however often they are sent' },
    body: body(
      {
        from: { type: 'string' },
        to: { type: 'string' },
        which: { enum: [...BACKFILL_CHOICES] },
        reverse: { type: 'boolean' },
        max_active: { type: ['integer', 'null'], minimum: 1, maximum: 100_000 },
        dry_run: { type: 'boolean' },
      },
      ['from', 'to'],
    ),
    answers: {
      201: { description: 'The backfill has begun', schema: schemaRef('BackfillPreview') },
      200: {
        description: 'What it would make (`dry_run`), or the backfill that this key has made',
        schema: schemaRef('BackfillPreview'),
      },
    },
    async handle(web, _live, call) {
      const { commands } = web.deps
      const dagId = call.param('dag')
      const request = requestOf(call)
      if (call.body.dry_run === true) {
        return ok(previewShape(dagId, null, await commands.previewBackfill(dagId, request)))
      }
      const key = idempotencyKeyOf(call)
      const started = await commands.startBackfill(dagId, request, { user: call.identity.user }, key)
      return ok(previewShape(dagId, started.id, started.preview), started.repeated ? 200 : 201)
    },
  },
  {
    method: 'get',
    path: '/backfills',
    summary: 'Backfills, newest first',
    role: 'viewer',
    query: {
      dag: { type: 'string', description: 'Of this DAG only' },
      before: { type: 'integer', minimum: 1, maximum: 2_147_483_647, description: 'Older than this one' },
      limit: { type: 'integer', minimum: 1, maximum: LIMIT, description: 'At most so many' },
    },
    answers: { 200: { description: 'The backfills', schema: { type: 'array', items: schemaRef('Backfill') } } },
    async handle(web, _live, call) {
      const [dag, before, limit] = [call.query('dag'), call.query('before'), call.query('limit')]
      const found = await web.deps.store.backfills(
        dag === '' ? null : dag,
        before === '' ? null : Number(before),
        limit === '' ? LIMIT : Number(limit),
      )
      return ok(found.map(backfillShape))
    },
  },
  {
    method: 'get',
    path: '/backfills/{backfill}',
    summary: 'One backfill',
    role: 'viewer',
    answers: BACKFILL,
    handle: async (web, _live, call) => ok(await shapeOf(web.deps.store, idOf(call))),
  },
  action('pause', 'Make no further run of a backfill; those under way go on', (commands, id, actor) =>
    commands.pauseBackfill(id, actor),
  ),
  action('resume', 'Go on with a paused backfill', (commands, id, actor) => commands.resumeBackfill(id, actor)),
  action('cancel', 'End a backfill and cancel its runs under way', (commands, id, actor) =>
    commands.cancelBackfill(id, actor),
  ),
]

type Deps = Parameters<ApiRoute['handle']>[0]['deps']

function action(
  name: string,
  summary: string,
  act: (commands: Deps['commands'], id: number, actor: { user: string }) => Promise<unknown>,
): ApiRoute {
  return {
    method: 'post',
    path: `/backfills/{backfill}/${name}`,
    summary,
    role: 'operator',
    body: body({}),
    answers: BACKFILL,
    async handle(web, _live, call) {
      await act(web.deps.commands, idOf(call), { user: call.identity.user })
      return ok(await shapeOf(web.deps.store, idOf(call)))
    },
  }
}

function idOf(call: ApiCall): number {
  const text = call.param('backfill')
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new SluiceError('BACKFILL_UNKNOWN', `There is no backfill ${text.slice(0, 50)}.`)
}

async function shapeOf(store: Deps['store'], id: number): Promise<BackfillShape> {
  const backfill = await store.backfill(id)
  if (backfill === null) throw new SluiceError('BACKFILL_UNKNOWN', `There is no backfill ${id}.`)
  return backfillShape(backfill)
}

function requestOf({ body }: ApiCall): BackfillRequest {
  return {
    from: instantOf(String(body.from)),
    to: instantOf(String(body.to)),
    which: (body.which ?? 'all') as BackfillChoice,
    reverse: body.reverse === true,
    maxActive: (body.max_active ?? null) as number | null,
  }
}

function instantOf(text: string): Instant {
  const instant = parseIsoInstant(text)
  if (instant !== null) return instant
  throw new SluiceError('BACKFILL_INVALID', `${text.slice(0, 50)} is no instant such as ${isoInstant(0)}.`)
}

function previewShape(dag: string, backfill: number | null, preview: BackfillPreview): BackfillPreviewShape {
  return {
    backfill,
    dag,
    intervals: preview.slots,
    good: preview.good,
    failed: preview.failed,
    missing: preview.missing,
    makes: preview.makes,
    first_due: isoInstantOrNull(preview.first),
    last_due: isoInstantOrNull(preview.last),
    max_active: preview.maxActive,
  }
}

function backfillShape(backfill: Backfill): BackfillShape {
  return {
    backfill: backfill.id,
    dag: backfill.dagId,
    state: backfill.state,
    which: backfill.which,
    from: isoInstant(backfill.from),
    to: isoInstant(backfill.to),
    reverse: backfill.reverse,
    max_active: backfill.maxActive,
    intervals: backfill.slots,
    passed: Math.min(backfill.passed, backfill.slots),
    runs: backfill.runs,
    created_by: backfill.createdBy,
    created_at: isoInstant(backfill.createdAt),
    ended_at: isoInstantOrNull(backfill.endedAt),
  }
}
