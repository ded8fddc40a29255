import { SluiceError } from '../../../errors.js'
import { FULL_DISK_HINT } from '../../objects/disk-errors.js'

/** DuckDB's error classes that come from the text of the statement: no retry helps. */
const TEXT_ERRORS = /^(Parser|Binder|Catalog|Not implemented|Syntax) Error/

/** What the disk says that DuckDB writes to; its own words, as it hands on no code. */
const FULL_DISK = /^IO Error\b[\s\S]*(No space left on device|Disk quota exceeded)/

/**
 * Says what DuckDB said in the terms of the person who wrote the SQL.
 * @param subject what failed, as the start of the sentence: `The SQL`
 */
export function duckdbError(error: unknown, subject: string, memoryLimit: string): SluiceError {
  const text = error instanceof Error ? error.message : String(error)
  if (/^Out of Memory Error|std::bad_alloc/.test(text)) {
    const message = `${subject} needs more memory than its limit of ${memoryLimit} (memory_limit of the connection).`
    return new SluiceError('SQL_OUT_OF_MEMORY', message, { cause: error })
  }
  if (FULL_DISK.test(text)) {
    return new SluiceError('NOT_WRITABLE', `${subject} found no room on the disk: ${cleaned(text)}`, {
      cause: error,
      hint: FULL_DISK_HINT,
    })
  }
  if (text.startsWith('Permission Error')) {
    return new SluiceError('SQL_FORBIDDEN', `${subject} may not do this: ${cleaned(text)}`, {
      cause: error,
      retryable: false,
    })
  }
  const line = /\bLINE (\d+):/.exec(text)?.[1]
  const where = line === undefined ? '' : `, line ${line}`
  return new SluiceError('SQL_FAILED', `${subject} failed${where}: ${cleaned(text)}`, {
    cause: error,
    retryable: !TEXT_ERRORS.test(text),
  })
}

/** Without the excerpt of the statement (it may be one we built) and without advice about settings nobody can reach. */
function cleaned(text: string): string {
  const [message = text] = text.split(/\n\s*(?:LINE \d+:|Possible solutions:|Possible fixes:|Candidate functions:)/)
  return message
    .replace(/\s*\n\s*/g, ' ')
    .trim()
    .slice(0, 2_000)
}
