import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Actor, BackfillPreview, BackfillRequest } from '../commands.js'
import type { Dag } from '../dag/model.js'
import { firstSlot, isWanted, slotAfter } from '../loop/backfill-slots.js'
import type { Backfill, BackfillState } from '../store/backfill-store.js'
import { currentDag } from './current-dag.js'
import { audit, type CommandPorts } from './ports.js'
import { hashOf } from './request-hash.js'

/** A year of intervals of five minutes each; a range with more of them is a mistake. */
const SLOTS_LIMIT = 105_120

/** What a backfill would make. @throws SluiceError DAG_UNKNOWN, BACKFILL_INVALID */
export async function previewBackfill(
  ports: CommandPorts,
  dagId: string,
  request: BackfillRequest,
): Promise<BackfillPreview> {
  return (await planned(ports, dagId, request)).preview
}

/**
 * Starts a backfill; its runs are made as there is room for them.
 * @throws SluiceError DAG_UNKNOWN, BACKFILL_INVALID, also when there is nothing to make
 */
export async function startBackfill(
  ports: CommandPorts,
  dagId: string,
  request: BackfillRequest,
  actor: Actor,
  idempotencyKey: string | null = null,
): Promise<{ id: number; preview: BackfillPreview; repeated: boolean }> {
  const idempotency = keyOf(dagId, request, idempotencyKey)
  const there = idempotency === null ? null : await ports.store.backfillOfKey(idempotency.key)
  if (there !== null) {
    if (there.requestHash === idempotency?.requestHash) {
      return { id: there.id, preview: await previewBackfill(ports, dagId, request), repeated: true }
    }
    const message = `The Idempotency-Key ${idempotencyKey} was used before for another backfill.`
    throw new SluiceError('IDEMPOTENCY_CONFLICT', message)
  }
  const { preview, range, nextDueAt, version } = await planned(ports, dagId, request)
  if (preview.makes === 0 || nextDueAt === null) {
    const found =
      preview.slots === 0 ? 'no whole interval lies in the range' : 'no interval in the range asks for a run'
    throw new SluiceError('BACKFILL_INVALID', `There is nothing to backfill for ${dagId}: ${found}.`)
  }
  const { which, reverse } = request
  const { maxActive, slots } = preview
  await audit(ports, actor, 'backfill', dagId, {
    from: range.from,
    to: range.to,
    which,
    reverse,
    max_active: maxActive,
  })
  await ports.debugPoint('command:decided')
  const backfill = { dagId, version, which, ...range, reverse, maxActive, nextDueAt, slots, createdBy: actor.user }
  const once = idempotency === null ? backfill : { ...backfill, idempotency }
  const id = await ports.store.createBackfill(once, ports.wake.now())
  await ports.debugPoint('command:applied')
  told(ports)
  return { id, preview, repeated: false }
}

function keyOf(
  dagId: string,
  { from, to, which, reverse, maxActive }: BackfillRequest,
  key: string | null,
): { key: string; requestHash: string } | null {
  return key === null ? null : { key, requestHash: hashOf({ dagId, from, to, which, reverse, maxActive }) }
}

/** No further run of it is made or started; those that run go on. @throws SluiceError BACKFILL_UNKNOWN, STATE_CONFLICT */
export async function pauseBackfill(ports: CommandPorts, id: number, actor: Actor): Promise<void> {
  await change(ports, id, ['running'], 'paused', actor)
}

/** Further runs are made and started again, as there is room. @throws SluiceError BACKFILL_UNKNOWN, STATE_CONFLICT */
export async function resumeBackfill(ports: CommandPorts, id: number, actor: Actor): Promise<void> {
  await change(ports, id, ['paused'], 'running', actor)
}

/**
 * Ends a backfill and cancels its runs that are queued or running. Cancelling again cancels what a crash has left.
 * @param cancelRun cancels one run, in the same name
 */
export async function cancelBackfill(
  ports: CommandPorts,
  id: number,
  actor: Actor,
  cancelRun: (runId: string) => Promise<void>,
): Promise<{ cancelled: string[] }> {
  await change(ports, id, ['running', 'paused', 'cancelled'], 'cancelled', actor)
  const cancelled: string[] = []
  for (const runId of await ports.store.activeRunsOf(id)) {
    try {
      await cancelRun(runId)
      cancelled.push(runId)
    } catch (error) {
      // one that has ended meanwhile needs no cancelling
      if (!(error instanceof SluiceError) || error.code !== 'STATE_CONFLICT') throw error
    }
  }
  return { cancelled }
}

async function change(
  ports: CommandPorts,
  id: number,
  expect: readonly BackfillState[],
  state: Exclude<BackfillState, 'done'>,
  actor: Actor,
): Promise<void> {
  const backfill = await ports.store.backfill(id)
  if (backfill === null) throw new SluiceError('BACKFILL_UNKNOWN', `There is no backfill ${id}.`)
  await audit(ports, actor, `backfill ${state}`, backfill.dagId, { backfill: id })
  if ((await ports.store.setBackfillState(id, expect, state, ports.wake.now())) !== 'changed') {
    const now = (await ports.store.backfill(id))?.state ?? backfill.state
    throw new SluiceError('STATE_CONFLICT', `The backfill ${id} is ${now}, so it cannot become ${state}.`)
  }
  told(ports)
}

function told({ events, wake }: CommandPorts): void {
  events.emit({ kind: 'dags' })
  wake.all()
}

interface Plan {
  preview: BackfillPreview
  range: Pick<Backfill, 'from' | 'to' | 'reverse'>
  nextDueAt: Instant | null
  version: string
}

async function planned(ports: CommandPorts, dagId: string, request: BackfillRequest): Promise<Plan> {
  const dag = await currentDag(ports, dagId)
  if (dag.schedule === null) throw invalid(dagId, 'it has no schedule, so there are no intervals')
  if (request.from >= request.to) throw invalid(dagId, 'the range is empty: `from` is not before `to`')
  // an interval that is not over yet has no data
  const range = { from: request.from, to: Math.min(request.to, ports.wake.now()), reverse: request.reverse }
  const dues = slotsOf(ports, dag, range)
  if (dues.length > SLOTS_LIMIT) throw invalid(dagId, `the range has more than ${SLOTS_LIMIT} intervals`)
  const [one, other] = [dues[0] ?? range.from, dues.at(-1) ?? range.from]
  const runs = await ports.store.slotRuns(dagId, Math.min(one, other), Math.max(one, other))
  const there = new Map(runs.map(({ dueAt, isGood }) => [dueAt, isGood]))
  const good = dues.filter((due) => there.get(due) === true).length
  const failed = dues.filter((due) => there.get(due) === false).length
  const preview: BackfillPreview = {
    slots: dues.length,
    good,
    failed,
    missing: dues.length - good - failed,
    makes: dues.filter((due) => isWanted(request.which, there.get(due))).length,
    first: dues.length === 0 ? null : Math.min(one, other),
    last: dues.length === 0 ? null : Math.max(one, other),
    maxActive: activeLimit(dag, request.maxActive),
  }
  return { preview, range, nextDueAt: dues[0] ?? null, version: dag.version }
}

function slotsOf({ timetable }: CommandPorts, dag: Dag, range: Plan['range']): Instant[] {
  const dues: Instant[] = []
  let due = firstSlot(timetable, dag, range)
  while (due !== null && dues.length <= SLOTS_LIMIT) {
    dues.push(due)
    due = slotAfter(timetable, dag, range, due)
  }
  return dues
}

/** One place of the DAG's `max_active_runs` is left to its schedule, unless it has just one or somebody says otherwise. */
function activeLimit({ maxActiveRuns }: Dag, asked: number | null): number {
  return Math.min(asked ?? Math.max(1, maxActiveRuns - 1), maxActiveRuns)
}

function invalid(dagId: string, why: string): SluiceError {
  return new SluiceError('BACKFILL_INVALID', `${dagId} cannot be backfilled: ${why}.`)
}
