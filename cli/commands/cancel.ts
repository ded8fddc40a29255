import type { Command } from 'commander'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'

/** `sluice cancel`: asks the running Sluice to stop a run; tasks under way may take a moment more. */
export function declare(command: Command): void {
  projectOption(jsonOption(command)).argument('<run>', 'id of the run').action(cancel)
}

async function cancel(runId: string, options: CommonOptions & JsonOption): Promise<void> {
  const client = requireRunning(options.project)
  const answer = await client.post<{ run: string; state: string }>(`/runs/${segment(runId)}/cancel`, {})
  const out = terminal()
  if (options.json === true) return printJson(answer, out)
  out.print(`${answer.run}: ${answer.state === 'cancelled' ? 'cancelled.' : 'its tasks are being stopped.'}`)
}
