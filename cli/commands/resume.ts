import type { Command } from 'commander'
import type { DagShape } from '../../scheduler/shapes.js'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'
import { shortInstant } from '../output/time.js'

export function declare(command: Command): void {
  projectOption(jsonOption(command)).argument('<dag>', 'id of the DAG').action(resume)
}

async function resume(dagId: string, options: CommonOptions & JsonOption): Promise<void> {
  const client = requireRunning(options.project)
  const answer = await client.post<{ paused: boolean }>(`/dags/${segment(dagId)}/resume`, {})
  const out = terminal()
  if (options.json === true) return printJson(answer, out)
  const { next_due: nextDue } = await client.get<DagShape>(`/dags/${segment(dagId)}`)
  out.print(`${dagId} is scheduled again${nextDue === null ? ' by hand only' : `, next due ${shortInstant(nextDue)}`}.`)
}
