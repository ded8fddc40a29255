import type { Tables } from '../../lakehouse/lakehouse.js'
import type { Clock } from '../clock.js'
import type { Config } from '../config.js'
import type { Watches } from '../loop/ports.js'
import { FileWatch } from './file-watch.js'
import { lookAtVersions } from './table-watch.js'

/** How this process looks at tables and folders for triggers; secrets come from its own environment. */
export function openWatches(
  config: Config,
  tables: Pick<Tables, 'versions'>,
  clock: Clock,
): Watches & { close(): void } {
  const files = new FileWatch(config, () => clock.now())
  return {
    versions: (table, from) => lookAtVersions(tables, table, from),
    files: (source, known) => files.look(source, known),
    close: () => files.close(),
  }
}
