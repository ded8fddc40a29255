import type { CacheConfig, ConnectionConfig } from '../../lakehouse/config.js'
import { openObjectStore } from '../../lakehouse/objects/open.js'
import type { LogsConfig } from '../config.js'
import { resolveSecrets } from '../secrets.js'
import { FolderLogStore } from './log-folder.js'
import { SegmentLogStore } from './log-segments.js'
import type { LogStore } from './log-store.js'

/** What of a configuration says where logs are. */
export interface LogPlace {
  project: string
  logs: LogsConfig
  connections: Record<string, ConnectionConfig>
  cache: CacheConfig
}

/**
 * The logs of a project. A secret that is missing shows when a log is written or read, not here: a log that cannot be
 * kept stops nobody.
 */
export function openLogStore(place: LogPlace, env: Record<string, string | undefined> = process.env): LogStore {
  const { project, logs, connections, cache } = place
  const { location, connection: name } = logs
  if (name === null) return new FolderLogStore(location)
  return new SegmentLogStore(() => {
    const found = connections[name] ?? { type: 'none' }
    const source = { env, folder: project }
    const config = resolveSecrets(found, source, `sluice.yaml: connections.${name}`, () => undefined)
    return openObjectStore(location, { name, config }, { project, cache, place: 'logs.location' })
  })
}
