import { isAbsolute, join, resolve } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { CacheConfig, LakehouseConfig, NamedConnection } from '../config.js'
import { FolderStore } from './folder.js'
import type { ObjectStore } from './object-store.js'
import { S3Store } from './s3.js'
import { parseS3Location } from './s3-connection.js'

const DEFAULT_CACHE_BYTES = 10 * 1024 ** 3

/**
 * Opens the store at a location: a folder, or `s3://bucket/prefix` through a connection of type s3. Nothing is read or
 * written yet, and the AWS SDK is loaded with the first request to a bucket.
 * @param connection for s3:// only, secrets resolved
 * @param around.project absolute folder that relative paths start in
 * @param around.place how messages call the location, e.g. `catalogs.lake.location`
 * @throws SluiceError CONFIG_INVALID when the location is neither, or an s3:// one has no connection
 */
export function openObjectStore(
  location: string,
  connection: NamedConnection | null,
  around: { project: string; cache?: CacheConfig | undefined; place: string },
): ObjectStore {
  const { project, place } = around
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(location)?.[1]
  if (scheme === undefined) return new FolderStore(isAbsolute(location) ? location : resolve(project, location))
  if (scheme !== 's3') {
    throw new SluiceError('CONFIG_INVALID', `${place} is ${location}; expected a folder or s3://bucket/prefix.`)
  }
  if (connection === null) {
    throw new SluiceError('CONFIG_INVALID', `${place} is ${location}, which needs a connection of type s3.`)
  }
  const cache = around.cache ?? { folder: join(project, 'data/cache'), maxBytes: DEFAULT_CACHE_BYTES }
  return new S3Store({ ...parseS3Location(location, place), connection, project, cache })
}

/** The store of a catalog of `sluice.yaml`. Connections come with their secrets resolved. */
export function openCatalogStore(config: LakehouseConfig, name: string): ObjectStore {
  const catalog = config.catalogs[name]
  if (catalog === undefined) throw new Error(`there is no catalog ${name}`)
  const connection = catalog.connection === undefined ? undefined : config.connections[catalog.connection]
  if (catalog.connection !== undefined && connection === undefined) {
    throw new SluiceError('CONNECTION_UNKNOWN', `catalogs.${name}: there is no connection ${catalog.connection}.`)
  }
  const named = connection === undefined ? null : { name: catalog.connection ?? '', config: connection }
  return openObjectStore(catalog.location, named, {
    project: config.project,
    cache: config.cache,
    place: `catalogs.${name}.location`,
  })
}
