import type { Command } from 'commander'
import { formatDuration } from '../../duration.js'
import { isoInstant } from '../../json.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'
import { durationArgument } from '../part.js'
import { projectConfig } from '../project.js'

interface PruneOptions extends CommonOptions, JsonOption {
  olderThan: number
  dryRun?: boolean
}

export function declare(command: Command): void {
  const migrate = command.command('migrate').description('bring the metadata store to the newest schema')
  projectOption(migrate).action(migrateStore)
  const prune = command.command('prune').description('remove runs that ended long ago, with their history and logs')
  projectOption(jsonOption(prune))
    .requiredOption('--older-than <duration>', 'what ended before that, e.g. 90d', durationArgument)
    .option('--dry-run', 'only tell how many there are')
    .action(pruneStore)
}

/** Opening a store migrates it; a second time changes nothing. */
async function migrateStore({ project }: CommonOptions): Promise<void> {
  const config = projectConfig(project)
  const { openStore } = await import('../../scheduler/store/open-store.js')
  const { store, applied } = await openStore(config.store, Date.now())
  await store.close()
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
