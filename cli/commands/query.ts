import { type Command, Option } from 'commander'
import { SluiceError } from '../../errors.js'
import type { Lakehouse, QueryResult } from '../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { ownLakehouseConfig } from '../../scheduler/lakehouse-config.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption, wholeNumber } from '../options.js'
import { printJson } from '../output/json.js'
import { formatCsv, formatRows } from '../output/rows.js'
import { type Terminal, terminal } from '../output/terminal.js'
import { projectConfig } from '../project.js'

interface QueryOptions extends CommonOptions, JsonOption {
  connection: string
  format: 'table' | 'csv' | 'json'
  limit: number
}

/**
 * `sluice query`: prints the rows of one SELECT, and says on stderr when there are more than --limit. It needs no
 * running Sluice.
 */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('<select>', 'one SELECT, or - to read it from stdin')
    .option('--connection <name>', 'the SQL engine, a connection of sluice.yaml', 'lakehouse')
    .addOption(
      new Option('--format <format>', 'how rows are printed').choices(['table', 'csv', 'json']).default('table'),
    )
    .option('--limit <n>', 'at most so many rows; a note says when there are more', wholeNumber(1), 10_000)
    .action(query)
}

/** Runs in this process, whether or not a Sluice runs: readers of a table disturb nobody. */
async function query(select: string, options: QueryOptions): Promise<void> {
  const sql = select === '-' ? await stdinText() : select
  const config = projectConfig(options.project)
  const lakehouse = await openLakehouse(ownLakehouseConfig(config, options.connection), options.connection)
  try {
    const result = await interruptible((signal) =>
      lakehouse.query(sql, { maxRows: options.limit, truncate: true, signal }),
    )
    printResult(result, options, terminal())
  } finally {
    await lakehouse.close()
  }
}

/** Ctrl-C ends the query, not only the program: its memory and its files are given back in order. */
async function interruptible(run: (signal: AbortSignal) => ReturnType<Lakehouse['query']>): Promise<QueryResult> {
  const controller = new AbortController()
  const stop = () =>
    controller.abort(new SluiceError('CANCELLED', 'The query was interrupted.', { hint: 'Run it again.' }))
  process.once('SIGINT', stop)
  try {
    return await run(controller.signal)
  } finally {
    process.removeListener('SIGINT', stop)
  }
}

function printResult(result: QueryResult, options: QueryOptions, out: Terminal): void {
  if (options.json === true || options.format === 'json') printJson(result.rows, out)
  else out.print(options.format === 'csv' ? formatCsv(result) : formatRows(result, out))
  // on stderr, so that what a program reads stays rows
  if (result.truncated) out.complain(`note: only the first ${result.rows.length} rows are shown; --limit shows more.`)
}

async function stdinText(): Promise<string> {
  const { text } = await import('node:stream/consumers')
  return text(process.stdin)
}
