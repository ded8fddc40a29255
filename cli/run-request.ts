import type { Command } from 'commander'
import { isoInstant, type Json } from '../json.js'
import type { ParamSpec } from '../scheduler/dag/model.js'
import type { DagShape } from '../scheduler/shapes.js'
import { type Client, segment } from './client.js'
import { intervalOption } from './instants.js'
import { collect, projectOption } from './options.js'
import { readParams } from './params.js'

/** What `run` and `trigger` let one say about a run by hand. */
export interface RunRequestOptions {
  param: string[]
  interval?: { start: number; end: number }
  task: string[]
  checks: boolean
}

/** Adds the DAG and what may be said of a run by hand; --project is among it. */
export function runRequestOptions(command: Command): Command {
  return projectOption(command)
    .argument('<dag>', 'id of the DAG')
    .option('--param <name=value>', 'a parameter; may be repeated', collect, [])
    .option('--interval <start/end>', 'the data interval (default: the latest complete one)', intervalOption)
    .option('--task <id>', 'only this task; may be repeated', collect, [])
    .option('--no-checks', 'record failed checks, but publish all the same')
}

/** Triggers on a running Sluice. @param idempotencyKey makes a repeated call find the first one's run */
export async function triggerOver(
  client: Client,
  dagId: string,
  options: RunRequestOptions,
  idempotencyKey: string,
): Promise<{ run: string }> {
  const specs =
    options.param.length === 0
      ? {}
      : ((await client.get<DagShape>(`/dags/${segment(dagId)}`)).params as Record<string, ParamSpec>)
  return client.post<{ run: string }>(`/dags/${segment(dagId)}/runs`, requestBody(options, specs), idempotencyKey)
}

function requestBody(options: RunRequestOptions, specs: Record<string, ParamSpec>): Record<string, Json> {
  const { interval } = options
  return {
    params: readParams(options.param, specs),
    interval: interval === undefined ? null : { start: isoInstant(interval.start), end: isoInstant(interval.end) },
    tasks: options.task.length === 0 ? null : options.task,
    no_checks: !options.checks,
  }
}
