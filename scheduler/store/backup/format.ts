/**
 * A backup is a gzip of lines, each a JSON value: the header; then for each table a heading and its rows, a row being the
 * columns as PostgreSQL writes them in text; at last the footer, without which the file was cut off.
 */
export interface BackupHeader {
  sluice_backup: 1
  /** version of Sluice that wrote it */
  sluice: string
  /** ISO 8601 */
  created_at: string
  /** the migrations its rows fit, oldest first */
  migrations: { number: number; name: string; checksum: string }[]
}

export interface TableHeading {
  table: string
  columns: string[]
}

export interface BackupFooter {
  /** rows of all tables */
  rows: number
}

export type BackupRow = (string | null)[]

/** What a backup or a restore did. */
export interface BackupSummary {
  createdAt: string
  tables: Record<string, number>
}
