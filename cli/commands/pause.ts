import type { Command } from 'commander'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'

interface PauseOptions extends CommonOptions, JsonOption {
  reason: string
}

/** `sluice pause`: no further run of a DAG is started but by hand; what runs goes on. Over the running Sluice. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('<dag>', 'id of the DAG')
    .option('--reason <text>', 'shown wherever the DAG waits', '')
    .action(pause)
}

async function pause(dagId: string, options: PauseOptions): Promise<void> {
  const client = requireRunning(options.project)
  const answer = await client.post<{ paused: boolean }>(`/dags/${segment(dagId)}/pause`, { reason: options.reason })
  const out = terminal()
  if (options.json === true) return printJson(answer, out)
  out.print(`${dagId} is paused: neither time nor a trigger starts its runs. \`sluice resume ${dagId}\` ends that.`)
}
