import type { Command } from 'commander'
import { type CommonOptions, projectOption } from '../options.js'
import { terminal } from '../output/terminal.js'
import { projectConfig } from '../project.js'

export function declare(command: Command): void {
  const migrate = command.command('migrate').description('bring the metadata store to the newest schema')
  projectOption(migrate).action(migrateStore)
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
