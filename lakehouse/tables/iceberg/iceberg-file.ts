import type { Json } from '../../../json.js'
import type { TableField } from '../schema.js'
import type { DataFile, DeleteFile } from '../table.js'
import type { FileRecord, ManifestEntry } from './manifests.js'
import type { PartitionSpec } from './metadata.js'
import { labelOf, partitionTexts } from './partitions.js'
import { boundIn } from './values.js'

/** What all formats say of a data file, and the manifest's own record of it. */
export class IcebergFile implements DataFile {
  readonly partitionValues: Record<string, string | null>
  /** set once the file was looked at, where its columns have no ids */
  columnNames: ReadonlyMap<number, string> | null = null

  constructor(
    readonly record: FileRecord,
    /** null while it is staged */
    readonly entry: ManifestEntry | null,
    readonly spec: PartitionSpec,
    readonly key: string,
    readonly deletes: DeleteFile[],
    private readonly fields: TableField[],
  ) {
    const texts = partitionTexts(record.partition, spec, fields)
    this.partitionValues = Object.fromEntries(
      spec.fields.map((field, index) => [labelOf(field, fields), texts[index] ?? null]),
    )
  }

  get path(): string {
    return this.record.file_path
  }

  get size(): number {
    return Number(this.record.file_size_in_bytes)
  }

  get rows(): number | null {
    return this.deletes.length > 0 ? null : Number(this.record.record_count)
  }

  /**
   * By the specification, "Column Projection": what a file lacks has the value that its partition has by identity. It
   * is known to be inside where the manifest has measured it there; files without ids have no column by its id, so there
   * the partition comes before any name.
   */
  valueInLog({ id }: TableField): string | null | undefined {
    const index = this.spec.fields.findIndex((field) => field['source-id'] === id && field.transform === 'identity')
    if (index < 0 || id === undefined) return undefined
    if (this.columnNames === null && this.measured(id)) return undefined
    return partitionTexts(this.record.partition, this.spec, this.fields)[index] ?? null
  }

  /** Whether its writer, or who imported it, has measured any column, by its id. */
  get isMeasured(): boolean {
    return this.measuredIds().length > 0
  }

  private measured(id: number): boolean {
    return this.measuredIds().includes(id)
  }

  private measuredIds(): number[] {
    const { column_sizes, value_counts, null_value_counts } = this.record
    return [column_sizes, value_counts, null_value_counts].flatMap((list) => list?.map(({ key }) => key) ?? [])
  }

  nulls(column: string): number | null {
    const id = this.fields.find((field) => field.name === column)?.id
    const found = this.record.null_value_counts?.find(({ key }) => key === id)
    return found === undefined ? null : Number(found.value)
  }

  bounds(column: string): { min: Json; max: Json } {
    const field = this.fields.find((candidate) => candidate.name === column)
    if (field === undefined) return { min: null, max: null }
    const { lower_bounds, upper_bounds } = this.record
    const bound = (bounds: FileRecord['lower_bounds']) =>
      boundIn(bounds?.find(({ key }) => key === field.id)?.value, field.type)
    return { min: bound(lower_bounds), max: bound(upper_bounds) }
  }
}

/**
 * A file that an Iceberg table handed out, with its manifest record. One of another format is a fault of the caller and
 * throws.
 */
export function ownFile(file: DataFile): IcebergFile {
  if (!(file instanceof IcebergFile)) throw new Error('a file of another format was given to an Iceberg table')
  return file
}
