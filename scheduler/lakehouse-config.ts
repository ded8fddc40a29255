import type { LakehouseConfig } from '../lakehouse/config.js'
import { resolveSecrets, type SecretSource } from './secrets.js'

/**
 * The lakehouse part of a configuration for a process that is about to open it: the connections it needs (those of its
 * catalogs' files and tables, and the engine's) have their secrets resolved, all others stay as they are written.
 * @param engine the connection of the SQL engine; null for a process that opens tables without one
 * @param found is told each secret before it is used
 * @throws SluiceError SECRET_MISSING naming the connection
 */
export function lakehouseConfig(
  config: LakehouseConfig,
  engine: string | null,
  source: SecretSource,
  found: (secret: string) => void = () => undefined,
): LakehouseConfig {
  const { project, catalogs, cache } = config
  const needed = new Set(
    Object.values(catalogs).flatMap(({ connection, jdbc }) => [connection ?? [], jdbc?.connection ?? []].flat()),
  )
  if (engine !== null) needed.add(engine)
  const connections = Object.entries(config.connections).map(([name, connection]) => {
    if (!needed.has(name)) return [name, connection] as const
    return [name, resolveSecrets(connection, source, `sluice.yaml: connections.${name}`, found)] as const
  })
  return { project, catalogs, connections: Object.fromEntries(connections), ...(cache === undefined ? {} : { cache }) }
}

/** The same in a process that has the secrets in its own environment. */
export function ownLakehouseConfig(config: LakehouseConfig, engine: string | null = null): LakehouseConfig {
  return lakehouseConfig(config, engine, { env: process.env, folder: config.project })
}
