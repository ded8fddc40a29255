import { SluiceError } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import type { Delivery } from '../commands.js'
import { newRun, type RunOrigin } from '../core/new-run.js'
import { webhookRunId } from '../core/run-id.js'
import type { Dag, WebhookTrigger } from '../dag/model.js'
import { zoneClockOf } from '../dag/schedule.js'
import { currentDag } from './current-dag.js'
import { validateParams } from './params.js'
import type { CommandPorts } from './ports.js'
import { created, latestInterval, SAME_INSTANT_LIMIT } from './trigger.js'

/**
 * The run of a delivery whose sender is proven; repeated deliveries find the first one's run.
 * @throws SluiceError NOT_FOUND, PARAMS_INVALID, IDEMPOTENCY_CONFLICT for another body under the same id
 */
export async function deliver(
  ports: CommandPorts,
  dagId: string,
  delivery: Delivery,
): Promise<{ run: string; repeated: boolean }> {
  const { webhook } = delivery
  const key = `webhook ${dagId}/${webhook} ${delivery.id}`
  const first = await ports.store.runOfKey(key)
  if (first !== null) {
    if (first.requestHash !== delivery.bodyHash) throw otherBody(delivery)
    return { run: first.runId, repeated: true }
  }
  const dag = await currentDag(ports, dagId)
  const trigger = webhookOf(dag, webhook)
  if (trigger === null) throw new SluiceError('NOT_FOUND', `The DAG ${dagId} has no webhook ${webhook}.`)
  const params = checkedParams(dag, trigger, delivery.payload)
  const deliveredAt = ports.wake.now()
  const options = { now: deliveredAt, idempotency: { key, requestHash: delivery.bodyHash } }
  for (let dueAt = deliveredAt; dueAt < deliveredAt + SAME_INSTANT_LIMIT; dueAt += 1) {
    const origin: RunOrigin = {
      id: webhookRunId(dagId, dueAt),
      kind: 'triggered',
      dueAt,
      interval: latestInterval(ports.timetable, dag, deliveredAt),
      params,
      triggeredBy: `webhook ${webhook}`,
      trigger: { kind: 'webhook', webhook, delivery: delivery.id },
      onlyTasks: null,
      noChecks: false,
    }
    const run = newRun(dag, origin, zoneClockOf(dag), deliveredAt)
    const detail = { run: run.id, delivery: delivery.id }
    const entry = { user: `webhook ${webhook}`, action: 'trigger', target: dagId, detail }
    await ports.debugPoint('command:decided')
    const result = await ports.store.createRun(run, { ...options, audit: entry })
    if (result.outcome === 'created') return created(ports, run.id)
    if (result.outcome === 'repeated') return { run: result.runId, repeated: true }
    if (result.outcome === 'key_conflict') throw otherBody(delivery)
  }
  throw new SluiceError('STATE_CONFLICT', `More than ${SAME_INSTANT_LIMIT} runs of ${dagId} were triggered at once.`)
}

function otherBody({ id }: Delivery): SluiceError {
  return new SluiceError('IDEMPOTENCY_CONFLICT', `The delivery ${id} came before with another body.`)
}

/** The webhook that a version of a DAG declares under this name, or null. */
export function webhookOf(dag: Pick<Dag, 'triggers'>, name: string): WebhookTrigger | null {
  for (const trigger of dag.triggers) if (trigger.kind === 'webhook' && trigger.name === name) return trigger
  return null
}

function checkedParams(dag: Dag, { params }: WebhookTrigger, payload: Json): JsonObject {
  const given = Object.entries(params).flatMap(([name, place]) => {
    const value = valueAt(payload, place)
    return value === undefined || value === null ? [] : [[name, value] as const]
  })
  const checked = validateParams(dag.params, Object.fromEntries(given))
  if ('params' in checked) return checked.params
  throw new SluiceError('PARAMS_INVALID', checked.problems.map(({ message }) => message).join(' '))
}

/** What stands at `order.lines.0` of the body. */
function valueAt(payload: Json, place: string): Json | undefined {
  let value: Json | undefined = payload
  for (const part of place.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as JsonObject)[part]
  }
  return value
}
