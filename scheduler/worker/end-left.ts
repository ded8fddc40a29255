import { dirname, join } from 'node:path'
import { within } from '../../deadline.js'
import { messageOf } from '../../errors.js'
import type { EndContext } from '../../operators/operator.js'
import { lakehouseConfig } from '../lakehouse-config.js'
import { Lakehouses, namedConnection } from './attempt-context.js'
import { leavesWork } from './leaves-work.js'
import type { LookSurroundings } from './look-at.js'
import { Masking } from './masking.js'
import type { LeftAssignment, LeftEnd } from './protocol.js'
import { baseEnvironment } from './task-environment.js'

/** One try takes no longer; what it has not done by then is tried again. */
const END_MS = 60_000

/**
 * Ends work outside that no attempt goes on with. Never rejects: what comes of it is the result.
 * @param signal of the attempt that waits for it
 */
export async function endLeft(
  { work, dag, task }: LeftAssignment,
  around: LookSurroundings,
  signal?: AbortSignal,
): Promise<LeftEnd> {
  const { config, env, tables, now } = around
  const operator = around.operators.get(task.operator)
  const end = leavesWork(operator, work.handle) ? operator?.end : undefined
  if (end === undefined) return { failure: null, said: [] }
  const masking = new Masking()
  const said: LeftEnd['said'] = []
  const source = { env, folder: config.project }
  const found = (secret: string) => masking.add(secret)
  const lakehouses = new Lakehouses((engine) => lakehouseConfig(config, engine, source, found))
  const context: Omit<EndContext, 'signal'> = {
    dag: { folder: join(config.dags, dirname(dag.file)) },
    project: config.project,
    roots: [config.project, config.dags],
    workDir: config.project,
    env: baseEnvironment(env),
    token: `${dag.id}/${work.runId}/${work.taskId}/${work.generation}`,
    connection: (name) => namedConnection(config, name, source, found),
    tables: () => tables.open(lakehouseConfig(config, null, source, found)),
    lakehouse: (name = 'lakehouse') => lakehouses.open(name),
    log: (level, message) => void said.push({ level, message: masking.text(message) }),
    now,
  }
  try {
    await within(END_MS, signal, (stop) => end(work.handle, task.config, { ...context, signal: stop }))
    return { failure: null, said }
  } catch (error) {
    return { failure: masking.text(messageOf(error)), said }
  } finally {
    await lakehouses.close()
  }
}
