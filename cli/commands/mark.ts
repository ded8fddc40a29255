import { type Command, Option } from 'commander'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'

interface MarkOptions extends CommonOptions, JsonOption {
  state: string
}

/** `sluice mark`: sets the state of tasks by hand, over the running Sluice. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('<run>', 'id of the run')
    .argument('<tasks...>', 'ids of the tasks')
    .addOption(
      new Option('--state <state>', 'what they become').choices(['success', 'failed', 'skipped']).makeOptionMandatory(),
    )
    .action(mark)
}

async function mark(runId: string, tasks: string[], options: MarkOptions): Promise<void> {
  const answer = await requireRunning(options.project).post<{ run: string; marked: string[] }>(
    `/runs/${segment(runId)}/mark`,
    { tasks, state: options.state },
  )
  const out = terminal()
  if (options.json === true) return printJson(answer, out)
  out.print(`Marked ${answer.marked.join(', ')} as ${options.state}.`)
}
