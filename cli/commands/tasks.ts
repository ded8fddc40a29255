import type { Command } from 'commander'
import type { RunShape } from '../../scheduler/shapes.js'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { formatRun, formatTasks } from '../output/run-tables.js'
import { terminal } from '../output/terminal.js'

/** `sluice tasks`: the tasks of a run with state and reason, from the running Sluice. */
export function declare(command: Command): void {
  projectOption(jsonOption(command)).argument('<run>', 'id of the run').action(list)
}

async function list(runId: string, options: CommonOptions & JsonOption): Promise<void> {
  const run = await requireRunning(options.project).get<RunShape>(`/runs/${segment(runId)}`)
  const out = terminal()
  if (options.json === true) return printJson(run.tasks, out)
  out.print(formatRun(run, '', out))
  out.print(formatTasks(run.tasks, Date.now(), out))
}
