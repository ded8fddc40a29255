import type { Command } from 'commander'
import type { RunListEntry } from '../../scheduler/shapes.js'
import { requireRunning } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption, wholeNumber } from '../options.js'
import { printJson } from '../output/json.js'
import { stateWord } from '../output/states.js'
import { printTable } from '../output/table.js'
import { terminal } from '../output/terminal.js'
import { elapsed, shortInstant } from '../output/time.js'

interface RunsOptions extends CommonOptions, JsonOption {
  dag?: string
  state?: string
  limit: number
}

const COLUMNS = [
  { title: 'RUN' },
  { title: 'STATE' },
  { title: 'DUE' },
  { title: 'STARTED' },
  { title: 'TOOK', align: 'right' },
] as const

/** `sluice runs`: the runs that the running Sluice knows, newest first. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .option('--dag <dag>', 'of this DAG only')
    .option('--state <state>', 'in this state only')
    .option('--limit <n>', 'at most so many', wholeNumber(1), 100)
    .action(list)
}

async function list(options: RunsOptions): Promise<void> {
  const query = new URLSearchParams({ limit: String(options.limit) })
  if (options.dag !== undefined) query.set('dag', options.dag)
  if (options.state !== undefined) query.set('state', options.state)
  const runs = await requireRunning(options.project).get<RunListEntry[]>(`/runs?${query}`)
  const out = terminal()
  if (options.json === true) return printJson(runs, out)
  if (runs.length === 0) return out.print('No runs.')
  const rows = runs.map((run) => [
    run.run,
    stateWord(run.state, out.coloured),
    shortInstant(run.due),
    shortInstant(run.started_at),
    elapsed(run.started_at, run.ended_at, Date.now()),
  ])
  printTable(COLUMNS, rows, out)
}
