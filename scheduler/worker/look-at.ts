import { join } from 'node:path'
import { isSluiceError, messageOf } from '../../errors.js'
import { mapBounded } from '../../lakehouse/objects/concurrency.js'
import type { LookContext, Operator } from '../../operators/operator.js'
import { lakehouseConfig } from '../lakehouse-config.js'
import type { DueLook, LookResult } from '../store/wait-store.js'
import { namedConnection } from './attempt-context.js'
import { Masking } from './masking.js'
import type { SlotConfig } from './protocol.js'
import type { SlotTables } from './slot-tables.js'

const AT_ONCE = 32
/** One look that takes longer is broken off and repeated later. */
const LOOK_MS = 20_000
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

async function lookAt({ key, condition, seen }: DueLook, around: LookSurroundings): Promise<LookResult> {
  const masking = new Masking()
  const told = (text: string) => masking.text(text).slice(0, DETAIL_CHARACTERS)
  try {
    const operator = around.operators.get(condition.operator)
    if (operator?.look === undefined) throw new Error(`this worker cannot look for ${condition.operator}`)
    const ctx = contextOf(condition.folder, around, masking)
    const look = await operator.look(condition.condition, seen, ctx)
    if (look.met !== null) return { key, met: masking.json(look.met), seen, detail: '' }
    return { key, met: null, seen: look.seen, detail: told(look.detail) }
  } catch (error) {
    const message = told(messageOf(error))
    // what no later look can find ends the wait; anything else may be over the next time
    if (isSluiceError(error) && !error.retryable) return { key, met: { failed: message }, seen, detail: message }
    return { key, met: null, seen, detail: `the last look failed: ${message}` }
  }
}

function contextOf(folder: string, { config, tables, env, now }: LookSurroundings, masking: Masking): LookContext {
  const source = { env, folder: config.project }
  const found = (secret: string) => masking.add(secret)
  return {
    dag: { folder: join(config.project, folder) },
    project: config.project,
    signal: AbortSignal.timeout(LOOK_MS),
    connection: (name) => namedConnection(config, name, source, found),
    tables: () => tables.open(lakehouseConfig(config, null, source, found)),
    now,
  }
}
