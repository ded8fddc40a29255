import type { Command } from 'commander'
import { operators } from '../../operators/index.js'
import { dagSchema } from '../../scheduler/dag/schema.js'
import { jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'

/** `sluice schema`: the JSON Schema by which this Sluice checks DAG files, for editors. */
export function declare(command: Command): void {
  // it is JSON with or without --json, and the same for every project
  projectOption(jsonOption(command)).action(() => printJson(dagSchema(operators), terminal()))
}
