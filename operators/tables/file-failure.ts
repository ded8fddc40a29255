import { isSluiceError, messageOf, SluiceError } from '../../errors.js'
import { firstFault } from './csv-diagnosis.js'

export interface ReadFiles {
  paths: readonly string[]
  /** what sentences call them, in the same order */
  origins: readonly string[]
  /** of CSV */
  delimiter: string
  signal: AbortSignal
}

/**
 * Says which file and which line could not be read, in a sentence; the SQL engine's own is a page about its settings.
 * Anything else is returned as it is.
 */
export async function fileFailure(error: unknown, files: ReadFiles): Promise<unknown> {
  if (!isSluiceError(error, 'SQL_FAILED')) return error
  const text = messageOf(error.cause)
  if (/Error when sniffing file/.test(text)) return ragged(error, files)
  const line = /CSV Error on Line: (\d+)/.exec(text)?.[1]
  const path = /^\s*file = (.+)$/m.exec(text)?.[1]
  if (line === undefined || path === undefined) return error
  const [, , ...details] = text.split('\n')
  const what = details.find((detail) => detail.trim() !== '' && !detail.startsWith('Original Line')) ?? ''
  return unreadable(error, `${nameOf(path, files)}, line ${line}: ${what.trim()}`)
}

function nameOf(path: string, { paths, origins }: ReadFiles): string {
  return origins[paths.indexOf(path)] ?? path
}

/** The engine found no way to read the rows as a table: some row has another number of fields. */
async function ragged(error: SluiceError, files: ReadFiles): Promise<SluiceError> {
  for (const path of files.paths) {
    const fault = await firstFault(path, files.delimiter, files.signal)
    if (fault !== null) {
      return unreadable(error, `${nameOf(path, files)}, line ${fault.line}: ${fault.problem}`)
    }
  }
  const delimiter = JSON.stringify(files.delimiter)
  return unreadable(error, `The files cannot be read as CSV in UTF-8 with the delimiter ${delimiter}`)
}

function unreadable(error: SluiceError, sentence: string): SluiceError {
  return new SluiceError('FILE_INVALID', sentence.endsWith('.') ? sentence : `${sentence}.`, {
    cause: error,
    hint: 'Mend the file, or say `delimiter`, `header`, `null_value` or `columns`.',
    retryable: error.retryable,
  })
}
