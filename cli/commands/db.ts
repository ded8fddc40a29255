import { resolve } from 'node:path'
import type { Command } from 'commander'
import { formatDuration } from '../../duration.js'
import { isoInstant } from '../../json.js'
import { PACKAGE_VERSION } from '../../package-root.js'
import type { BackupSummary } from '../../scheduler/store/backup/format.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'
import { durationArgument } from '../part.js'
import { projectConfig } from '../project.js'

interface PruneOptions extends CommonOptions, JsonOption {
  olderThan: number
  dryRun?: boolean
}

/**
 * `sluice db`: works on the store itself. A store in a folder must be nobody else's meanwhile; one in PostgreSQL may be
 * in use.
 */
export function declare(command: Command): void {
  const migrate = command.command('migrate').description('bring the metadata store to the newest schema')
  projectOption(jsonOption(migrate)).action(migrateStore)
  const prune = command.command('prune').description('remove runs that ended long ago, with their history and logs')
  projectOption(jsonOption(prune))
    .requiredOption('--older-than <duration>', 'what ended before that, e.g. 90d', durationArgument)
    .option('--dry-run', 'only tell how many there are')
    .action(pruneStore)
  const backup = command
    .command('backup')
    .argument('<file>', 'that is not there yet')
    .description('write all history into one file')
  projectOption(jsonOption(backup)).action(backupStore)
  const restore = command
    .command('restore')
    .argument('<file>', 'that `db backup` has written')
    .description('fill an empty store from a backup')
  projectOption(jsonOption(restore)).action(restoreStore)
}

/** Opening a store migrates it; a second time changes nothing. */
async function migrateStore({ project, json }: CommonOptions & JsonOption): Promise<void> {
  const config = projectConfig(project)
  const { openStore } = await import('../../scheduler/store/open-store.js')
  const waiting = (message: string) => terminal().complain(message)
  const { store, applied } = await openStore(config.store, Date.now(), { waiting })
  await store.close()
  if (json) return printJson({ applied }, terminal())
  const names = applied.length === 0 ? 'it was at the newest schema already' : applied.join(', ')
  terminal().print(`The store is ready: ${names}.`)
}

/** Beside the parts of a cluster too; an embedded Sluice must be stopped, as it has its store to itself. */
async function pruneStore({ project, olderThan, dryRun = false, json }: PruneOptions): Promise<void> {
  const config = projectConfig(project)
  const [{ openStore }, { openLogStore }, { pruneRuns }] = await Promise.all([
    import('../../scheduler/store/open-store.js'),
    import('../../scheduler/worker/open-log-store.js'),
    import('../../scheduler/retention.js'),
  ])
  const now = Date.now()
  const before = now - olderThan
  const { store } = await openStore(config.store, now, { migrate: false })
  const logs = openLogStore(config)
  try {
    const runs = await pruneRuns({ store, logs, before, dryRun })
    if (json) return printJson({ runs, ended_before: isoInstant(before), dry_run: dryRun }, terminal())
    const which = `${runs} ${runs === 1 ? 'run' : 'runs'} that ended more than ${formatDuration(olderThan)} ago`
    terminal().print(dryRun ? `Would remove ${which}.` : `Removed ${which}.`)
  } finally {
    await logs.close()
    await store.close()
  }
}

/** Beside the parts of a cluster too, on one snapshot; an embedded Sluice must be stopped. */
async function backupStore(file: string, { project, json }: CommonOptions & JsonOption): Promise<void> {
  const config = projectConfig(project)
  const { writeBackup } = await import('../../scheduler/store/backup/write.js')
  const target = resolve(file)
  const done = await writeBackup({ location: config.store, file: target, version: PACKAGE_VERSION, now: Date.now() })
  report('Wrote', target, done, json)
}

/** From an embedded store or from PostgreSQL, into either. */
async function restoreStore(file: string, { project, json }: CommonOptions & JsonOption): Promise<void> {
  const config = projectConfig(project)
  const { restoreBackup } = await import('../../scheduler/store/backup/restore.js')
  const source = resolve(file)
  report('Restored', source, await restoreBackup({ location: config.store, file: source, now: Date.now() }), json)
}

function report(verb: string, file: string, { createdAt, tables }: BackupSummary, json: boolean | undefined): void {
  const runs = tables.runs ?? 0
  const rows = Object.values(tables).reduce((sum, count) => sum + count, 0)
  if (json) printJson({ file, created_at: createdAt, rows: tables }, terminal())
  else terminal().print(`${verb} ${file}: ${runs} ${runs === 1 ? 'run' : 'runs'}, ${rows} rows, as of ${createdAt}.`)
}
