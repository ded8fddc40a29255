import type { Command } from 'commander'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'

interface ClearOptions extends CommonOptions, JsonOption {
  downstream?: boolean
  failed?: boolean
}

export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('<run>', 'id of the run')
    .argument('[tasks...]', 'ids of the tasks (default: all)')
    .option('--downstream', 'also everything that needs them')
    .option('--failed', 'only those that failed or whose upstream did')
    .action(clear)
}

async function clear(runId: string, tasks: string[], options: ClearOptions): Promise<void> {
  const answer = await requireRunning(options.project).post<{ run: string; cleared: string[] }>(
    `/runs/${segment(runId)}/clear`,
    {
      tasks: tasks.length === 0 ? null : tasks,
      downstream: options.downstream === true,
      failed_only: options.failed === true,
    },
  )
  const out = terminal()
  if (options.json === true) return printJson(answer, out)
  out.print(answer.cleared.length === 0 ? 'Nothing to clear.' : `Cleared ${answer.cleared.join(', ')}: they run again.`)
}
