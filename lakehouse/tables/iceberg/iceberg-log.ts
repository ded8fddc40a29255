import { SluiceError } from '../../../errors.js'
import { mapBounded } from '../../objects/concurrency.js'
import type { ObjectStore } from '../../objects/object-store.js'
import type { IcebergFile } from './iceberg-file.js'
import type { JdbcCatalog } from './jdbc-catalog.js'
import type { Locations } from './locations.js'
import { type ManifestFile, readManifest, readManifestList } from './manifests.js'
import { currentSnapshot, type IcebergMetadata, type IcebergSnapshotEntry, parseMetadata, specOf } from './metadata.js'
import { mapImportedNames } from './name-mapping.js'
import { IcebergSnapshot, type LoadedManifest } from './snapshot.js'
import { mainSnapshots, versionOf } from './versions.js'

const CONCURRENT_READS = 16

/**
 * The metadata of one Iceberg table. Everything but the catalog's row is written once and never changed, so what was read
 * stays true; `latest` reads only what came after.
 */
export class IcebergLog {
  private known: IcebergSnapshot | null = null
  /** by path, those of the newest snapshot that was read */
  private manifests = new Map<string, LoadedManifest>()

  constructor(
    private readonly store: ObjectStore,
    readonly catalog: JdbcCatalog,
    readonly name: { namespace: string; name: string },
    readonly locations: Locations,
    readonly table: string,
  ) {}

  /** The newest snapshot, or null when there is no table. */
  async latest(): Promise<IcebergSnapshot | null> {
    const location = await this.catalog.metadataLocation(this.name.namespace, this.name.name)
    if (location === null) return null
    if (this.known?.metadataLocation === location) return this.known
    const metadata = await this.metadataAt(location)
    this.known = await this.snapshot(metadata, location, currentSnapshot(metadata), { current: true })
    this.manifests = new Map(this.known.manifests.map((manifest) => [manifest.file.manifest_path, manifest]))
    return this.known
  }

  /** The newest metadata without the files it leads to, or null when there is no table. */
  async metadata(): Promise<IcebergMetadata | null> {
    const location = await this.catalog.metadataLocation(this.name.namespace, this.name.name)
    if (location === null) return null
    return this.known?.metadataLocation === location ? this.known.metadata : this.metadataAt(location)
  }

  /** @throws SluiceError VERSION_UNKNOWN when no such snapshot is remembered */
  async at(version: number): Promise<IcebergSnapshot> {
    const latest = await this.latest()
    if (latest?.version === version) return latest
    const entry =
      latest === null
        ? undefined
        : mainSnapshots(latest.metadata).find((one) => versionOf(latest.metadata, one) === version)
    if (latest === null || entry === undefined) {
      throw new SluiceError('VERSION_UNKNOWN', `Table ${this.table} has no version ${version}.`)
    }
    return this.snapshot(latest.metadata, latest.metadataLocation, entry, { current: false })
  }

  async metadataAt(location: string): Promise<IcebergMetadata> {
    return parseMetadata(await this.content(location), location)
  }

  private async snapshot(
    metadata: IcebergMetadata,
    location: string,
    entry: IcebergSnapshotEntry | null,
    options: { current: boolean },
  ): Promise<IcebergSnapshot> {
    const files = entry === null ? [] : await this.manifestFiles(entry)
    const manifests = await mapBounded(files, CONCURRENT_READS, (file) => this.manifest(metadata, file))
    const snapshot = new IcebergSnapshot(metadata, location, entry, manifests, this.locations, this.table, options)
    const fresh: IcebergFile[] = []
    for (const file of snapshot.files.values()) {
      const known = this.known?.files.get(file.path)
      if (known === undefined) fresh.push(file)
      else file.columnNames = known.columnNames
    }
    await mapImportedNames(this.store, metadata, fresh, this.table)
    return snapshot
  }

  private async manifestFiles(entry: IcebergSnapshotEntry): Promise<ManifestFile[]> {
    const location = entry['manifest-list']
    if (location !== undefined) return readManifestList(await this.content(location), location)
    const message = `Table ${this.table} names its manifests in the metadata, as tables of old do.`
    throw new SluiceError('TABLE_UNSUPPORTED', message, {
      retryable: false,
      hint: 'Rewrite its manifests with Spark (CALL system.rewrite_manifests) or upgrade it to format version 2.',
    })
  }

  private async manifest(metadata: IcebergMetadata, file: ManifestFile): Promise<LoadedManifest> {
    const known = this.manifests.get(file.manifest_path)
    if (known !== undefined) return known
    const content = await this.content(file.manifest_path)
    return { file, entries: readManifest(content, file, specOf(metadata, file.partition_spec_id)) }
  }

  private async content(location: string): Promise<Buffer> {
    const content = await this.store.read(this.locations.key(location))
    if (content !== null) return content
    throw new SluiceError('TABLE_CORRUPT', `Table ${this.table} lacks a file of its metadata: ${location}.`)
  }
}
