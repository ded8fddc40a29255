import type { Json } from '../../../json.js'
import type { TableField } from '../schema.js'
import type { DataFile, DeleteFile } from '../table.js'
import type { AddFile } from './actions.js'
import { fileKey } from './paths.js'
import { boundsIn, nullsOf, rowsOf } from './stats.js'

/** What all formats say of a data file, and the add action itself. */
export class DeltaFile implements DataFile {
  readonly deletes: DeleteFile[] = []
  readonly columnNames = null

  constructor(
    readonly add: AddFile,
    private readonly prefix: string,
    private readonly table: string,
  ) {}

  get path(): string {
    return this.add.path
  }

  get key(): string {
    return `${this.prefix}/${fileKey(this.add.path, this.table)}`
  }

  get size(): number {
    return this.add.size
  }

  get rows(): number | null {
    return rowsOf(this.add.stats)
  }

  /** The protocol knows no empty text in partitions: it stands for NULL. */
  get partitionValues(): Record<string, string | null> {
    return Object.fromEntries(
      Object.entries(this.add.partitionValues).map(([column, value]) => [column, value || null]),
    )
  }

  /** Partition columns stand in the log alone. */
  valueInLog({ name }: TableField, partitionColumns: string[]): string | null | undefined {
    return partitionColumns.includes(name) ? this.add.partitionValues[name] || null : undefined
  }

  nulls(column: string): number | null {
    return nullsOf(this.add.stats, column)
  }

  bounds(column: string): { min: Json; max: Json } {
    return boundsIn(this.add.stats, column)
  }
}

/**
 * The add action of a file that a Delta table handed out. A file of another format is a fault of the caller and throws.
 */
export function ownFile(file: DataFile): AddFile {
  if (!(file instanceof DeltaFile)) throw new Error('a file of another format was given to a Delta table')
  return file.add
}
