import { join } from 'node:path'
import { within } from '../../deadline.js'
import { isSluiceError, messageOf } from '../../errors.js'
import { mapBounded } from '../../lakehouse/objects/concurrency.js'
import type { LookContext, Operator } from '../../operators/operator.js'
import type { Look } from '../../operators/wait.js'
import { lakehouseConfig } from '../lakehouse-config.js'
import type { DueLook, LookResult } from '../store/wait-store.js'
import { Lakehouses, namedConnection, type OpenedLakehouses } from './attempt-context.js'
import { Masking } from './masking.js'
import type { SlotConfig } from './protocol.js'
import type { SlotTables } from './slot-tables.js'

const AT_ONCE = 32
/** One look that takes longer is broken off and repeated later; a query may take longer than others. */
const LOOK_MS = { light: 20_000, heavy: 60_000 }
const DETAIL_CHARACTERS = 500

export interface LookSurroundings {
  config: SlotConfig
  operators: ReadonlyMap<string, Operator>
  tables: SlotTables
  env: Record<string, string | undefined>
  now(): number
}

/** Looks at all of these conditions. Never rejects: what a look comes to is its result. */
export function lookAtAll(looks: readonly DueLook[], around: LookSurroundings): Promise<LookResult[]> {
  return mapBounded(looks, AT_ONCE, (look) => lookAt(look, around))
}

async function lookAt(due: DueLook, around: LookSurroundings): Promise<LookResult> {
  const masking = new Masking()
  const told = (text: string) => masking.text(text).slice(0, DETAIL_CHARACTERS)
  const { key, seen } = due
  try {
    const look = await looked(due, around, masking)
    if (look.met !== null) return { key, met: masking.json(look.met), seen, detail: '' }
    return { key, met: null, seen: look.seen, detail: told(look.detail) }
  } catch (error) {
    const message = told(messageOf(error))
    // what no later look can find ends the wait; anything else may be over the next time
    if (isSluiceError(error) && !error.retryable) return { key, met: { failed: message }, seen, detail: message }
    return { key, met: null, seen, detail: `the last look failed: ${message}` }
  }
}

async function looked({ condition, seen }: DueLook, around: LookSurroundings, masking: Masking): Promise<Look> {
  const operator = around.operators.get(condition.operator)
  if (operator?.look === undefined) throw new Error(`this worker cannot look for ${condition.operator}`)
  const { look } = operator
  return within(LOOK_MS[condition.weight ?? 'light'], undefined, async (signal) => {
    const { context, opened } = contextOf(condition, around, masking)
    try {
      return await look(condition.condition, seen, { ...context, signal })
    } finally {
      await opened.close()
    }
  })
}

function contextOf(
  { folder }: DueLook['condition'],
  { config, tables, env, now }: LookSurroundings,
  masking: Masking,
): { context: Omit<LookContext, 'signal'>; opened: OpenedLakehouses } {
  const source = { env, folder: config.project }
  const found = (secret: string) => masking.add(secret)
  const lakehouses = new Lakehouses((engine) => lakehouseConfig(config, engine, source, found))
  const context = {
    dag: { folder: join(config.project, folder) },
    project: config.project,
    roots: [config.project, config.dags],
    connection: (name: string) => namedConnection(config, name, source, found),
    tables: () => tables.open(lakehouseConfig(config, null, source, found)),
    lakehouse: (name = 'lakehouse') => lakehouses.open(name),
    now,
  }
  return { context, opened: lakehouses }
}
