import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { requireRunning } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'
import { type RunRequestOptions, runRequestOptions, triggerOver } from '../run-request.js'

interface TriggerOptions extends CommonOptions, JsonOption, RunRequestOptions {
  key?: string
}

/** `sluice trigger`: has the running Sluice make a run and prints its id, without waiting for its end. */
export function declare(command: Command): void {
  runRequestOptions(jsonOption(command))
    .option('--key <text>', 'idempotency key: the same key and request make one run, however often they are sent')
    .action(trigger)
}

async function trigger(dagId: string, options: TriggerOptions): Promise<void> {
  // The answer comes only after the run is durable.
  const client = requireRunning(options.project)
  const { run } = await triggerOver(client, dagId, options, options.key ?? randomUUID())
  const out = terminal()
  if (options.json === true) printJson({ run }, out)
  else out.print(run)
}
