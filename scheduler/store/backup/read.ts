import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { SluiceError } from '../../../errors.js'
import { isObject } from '../../../json.js'
import type { BackupFooter, BackupHeader, BackupRow, TableHeading } from './format.js'

/** Rows handed on at once, and about how many characters of them. */
const BATCH = { rows: 500, characters: 1_000_000 }

export type BackupPiece = { table: TableHeading } | { rows: BackupRow[] } | { end: number }

/** A backup being read; the header first, then its pieces in order. */
export interface BackupReader {
  header: BackupHeader
  pieces: AsyncIterable<BackupPiece>
  close(): void
}

/**
 * Opens a backup and reads its header; the rows follow piece by piece, so that a backup of any size fits into memory.
 * close() ends the reading wherever it is.
 * @throws SluiceError BACKUP_INVALID when the file is not there, no backup, or cut off (that one while reading on)
 */
export async function readBackup(file: string): Promise<BackupReader> {
  const input = createReadStream(file)
  const unzipped = createGunzip()
  input.on('error', (error) => unzipped.destroy(error))
  const lines = createInterface({ input: input.pipe(unzipped), crlfDelay: Number.POSITIVE_INFINITY })
  const broken = new Promise<never>((_, reject) => unzipped.on('error', reject))
  broken.catch(() => undefined)
  const iterator = lines[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    try {
      const { value, done } = await Promise.race([iterator.next(), broken])
      return done === true ? null : (JSON.parse(value) as unknown)
    } catch (error) {
      throw new SluiceError('BACKUP_INVALID', `${file} is not a whole backup of Sluice.`, { cause: error })
    }
  }
  const close = () => {
    lines.close()
    input.destroy()
    unzipped.destroy()
  }
  const header = await next()
  if (isHeader(header)) return { header, pieces: pieces(next, file), close }
  close()
  throw new SluiceError('BACKUP_INVALID', `${file} is not a backup of Sluice, or of a form this version does not know.`)
}

async function* pieces(next: () => Promise<unknown>, file: string): AsyncGenerator<BackupPiece> {
  let rows: BackupRow[] = []
  let characters = 0
  for (;;) {
    const value = await next()
    const isRow = Array.isArray(value)
    if (isRow) {
      rows.push(value as BackupRow)
      characters += (value as BackupRow).reduce((sum, text) => sum + (text?.length ?? 4), 0)
    }
    if (rows.length > 0 && (!isRow || rows.length >= BATCH.rows || characters >= BATCH.characters)) {
      yield { rows }
      rows = []
      characters = 0
    }
    if (isRow) continue
    if (isHeading(value)) yield { table: value }
    else if (isFooter(value)) return yield { end: value.rows }
    else throw new SluiceError('BACKUP_INVALID', `${file} was cut off: its end is missing.`)
  }
}

function isHeader(value: unknown): value is BackupHeader {
  return isObject(value) && value.sluice_backup === 1 && Array.isArray(value.migrations)
}

function isHeading(value: unknown): value is TableHeading {
  return isObject(value) && typeof value.table === 'string' && Array.isArray(value.columns)
}

function isFooter(value: unknown): value is BackupFooter {
  return isObject(value) && typeof value.rows === 'number'
}
