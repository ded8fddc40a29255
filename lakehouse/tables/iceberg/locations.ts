import { fileURLToPath } from 'node:url'
import { SluiceError } from '../../../errors.js'
import type { ObjectStore } from '../../objects/object-store.js'

/** Keys of a store and the locations that Iceberg's metadata names objects by. */
export class Locations {
  private readonly root: string

  constructor(
    private readonly store: ObjectStore,
    private readonly table: string,
  ) {
    this.root = normal(store.location('')).replace(/\/+$/, '')
  }

  location(key: string): string {
    return this.store.location(key)
  }

  /** @throws SluiceError TABLE_UNSUPPORTED for what lies outside the catalog's location */
  key(location: string): string {
    const plain = normal(location)
    if (plain.startsWith(`${this.root}/`) && !plain.split('/').includes('..')) return plain.slice(this.root.length + 1)
    const message = `Table ${this.table} has a file at ${location}, outside the location of its catalog (${this.root}).`
    throw new SluiceError('TABLE_UNSUPPORTED', message, {
      retryable: false,
      hint: 'Give the catalog a location above all of its tables.',
    })
  }
}

/** Hadoop calls S3 s3a, and folders are written as paths or as file: URLs. */
function normal(location: string): string {
  if (/^s3[an]:\/\//.test(location)) return location.replace(/^s3[an]:/, 's3:')
  if (/^file:\/\/[^/]/.test(location)) return location
  if (location.startsWith('file://')) return fileURLToPath(location)
  return location.replace(/^file:/, '')
}
