import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

export interface CsvFault {
  /** counted from 1, the line the row begins at */
  line: number
  problem: string
}

/**
 * Finds the first row of a CSV file that has more or fewer fields than its first row, or a quote that never ends; the SQL
 * engine only says that there is one. null when there is none, or when it cannot be told (compressed other than .gz).
 */
export async function firstFault(path: string, delimiter: string, signal: AbortSignal): Promise<CsvFault | null> {
  if (path.endsWith('.zst') || delimiter.length !== 1) return null
  const file = createReadStream(path)
  // Only characters below 128 matter here, so bytes may stand for characters whatever the encoding.
  const text = (path.endsWith('.gz') ? pipeline(file, createGunzip(), () => undefined) : file).setEncoding('latin1')
  const rows = new RowCounter(delimiter)
  try {
    for await (const chunk of text as AsyncIterable<string>) {
      signal.throwIfAborted()
      const fault = rows.read(chunk)
      if (fault !== null) return fault
    }
    return rows.end()
  } finally {
    file.destroy()
  }
}

/** Counts fields without keeping any, so that a line of any length is no burden. */
class RowCounter {
  #expected = 0
  #fields = 1
  #line = 1
  #rowLine = 1
  #state: 'field_start' | 'plain' | 'quoted' | 'quote_in_quoted' = 'field_start'
  #empty = true

  constructor(private readonly delimiter: string) {}

  read(chunk: string): CsvFault | null {
    for (const character of chunk) {
      if (character === '\n') this.#line += 1
      if (this.#state === 'quoted') {
        if (character === '"') this.#state = 'quote_in_quoted'
      } else if (character === '\n') {
        const fault = this.#endRow()
        if (fault !== null) return fault
      } else this.#inRow(character)
    }
    return null
  }

  end(): CsvFault | null {
    return this.#state === 'quoted' ? { line: this.#rowLine, problem: 'a quote without an end' } : this.#endRow()
  }

  #inRow(character: string): void {
    if (character === '\r') return
    this.#empty = false
    if (character === this.delimiter) {
      this.#fields += 1
      this.#state = 'field_start'
      // A quote opens a field at its beginning only, or it is the second half of a doubled one.
    } else this.#state = character === '"' && this.#state !== 'plain' ? 'quoted' : 'plain'
  }

  #endRow(): CsvFault | null {
    const fields = this.#fields
    const fault = { line: this.#rowLine, problem: `${fieldCount(fields)}, but the first row has ${this.#expected}` }
    const isBlank = this.#empty
    this.#fields = 1
    this.#state = 'field_start'
    this.#empty = true
    this.#rowLine = this.#line
    if (isBlank) return null
    if (this.#expected === 0) this.#expected = fields
    return fields === this.#expected ? null : fault
  }
}

function fieldCount(fields: number): string {
  return fields === 1 ? '1 field' : `${fields} fields`
}
