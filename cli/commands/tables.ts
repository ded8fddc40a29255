import { type Command, Option } from 'commander'
import type { TableShape, TableVersionShape } from '../../scheduler/shapes.js'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption, wholeNumber } from '../options.js'
import { printJson } from '../output/json.js'
import { harmless } from '../output/style.js'
import { printTable } from '../output/table.js'
import { type Terminal, terminal } from '../output/terminal.js'
import { shortInstant } from '../output/time.js'
import { tableSource } from '../table-source.js'

interface TablesOptions extends CommonOptions, JsonOption {
  limit: number
}

interface RollbackOptions extends CommonOptions, JsonOption {
  to: number
  reason: string
}

const TABLE_COLUMNS = [
  { title: 'TABLE' },
  { title: 'VERSION', align: 'right' },
  { title: 'ROWS', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'FILES', align: 'right' },
  { title: 'CHANGED' },
] as const

const VERSION_COLUMNS = [
  { title: 'VERSION', align: 'right' },
  { title: 'COMMITTED' },
  { title: 'OPERATION' },
  { title: 'ROWS' },
  { title: 'BY' },
] as const

/**
 * `sluice tables`: reads the tables with or without a running Sluice; rolling back, which is put on record, needs one.
 */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('[table]', 'schema.table: its versions, newest first, and the run behind each')
    .option('--limit <n>', 'at most so many versions', wholeNumber(1), 100)
    .action(show)
  projectOption(jsonOption(command.command('rollback')))
    .description('publish the content of an earlier version as a new one')
    .argument('<table>', 'schema.table')
    .addOption(new Option('--to <version>', 'the version').argParser(wholeNumber(0)).makeOptionMandatory())
    .option('--reason <text>', 'kept in the history of the table', '')
    .action(rollBack)
}

async function show(table: string | undefined, options: TablesOptions): Promise<void> {
  const out = terminal()
  const source = await tableSource(options.project, (message) => out.complain(message))
  if (table === undefined) {
    const tables = await source.tables()
    if (options.json === true) printJson(tables, out)
    else printTables(tables, out)
  } else {
    const versions = await source.versions(table, options.limit)
    if (options.json === true) printJson(versions, out)
    else printVersions(versions, out)
  }
}

async function rollBack(table: string, _: unknown, command: Command): Promise<void> {
  // --json and --project are options of `tables`, too, and commander gives them to whoever comes first
  const options: RollbackOptions = command.optsWithGlobals()
  const made = await requireRunning(options.project).post<TableVersionShape>(`/tables/${segment(table)}/rollback`, {
    version: options.to,
    reason: options.reason,
  })
  const out = terminal()
  if (options.json === true) return printJson(made, out)
  out.print(`${table} has the content of version ${options.to} again, as version ${made.version}.`)
}

function printTables(tables: TableShape[], out: Terminal): void {
  if (tables.length === 0) {
    out.print('No tables.')
    return
  }
  const rows = tables.map((table) => [
    table.table,
    String(table.version),
    counted(table.rows),
    shortBytes(table.bytes),
    counted(table.files),
    shortInstant(table.changed_at),
  ])
  printTable(TABLE_COLUMNS, rows, out)
}

function printVersions(versions: TableVersionShape[], out: Terminal): void {
  const rows = versions.map((version) => [
    String(version.version),
    shortInstant(version.committed_at),
    harmless(version.operation),
    changes(version),
    harmless(writerOf(version)),
  ])
  printTable(VERSION_COLUMNS, rows, out)
}

function writerOf(version: TableVersionShape): string {
  const { run, task, attempt } = version
  if (run !== null) return `${run} ${task ?? ''}${attempt !== null && attempt > 1 ? `, try ${attempt}` : ''}`.trimEnd()
  const person = version.user ?? 'another writer'
  return version.reason === '' ? person : `${person}: ${version.reason}`
}

function changes(version: TableVersionShape): string {
  const parts = [
    ['+', version.rows_added],
    ['~', version.rows_updated],
    ['-', version.rows_removed],
  ] as const
  return parts.flatMap(([sign, count]) => (count ? [`${sign}${counted(count)}`] : [])).join(' ')
}

function counted(count: number | null): string {
  return count === null ? '?' : count.toLocaleString('en-US')
}

function shortBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`
}
