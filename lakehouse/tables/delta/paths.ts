import { SluiceError } from '../../../errors.js'

/**
 * A file's key below the table as the log writes it. The log holds a URI: a file whose own name is percent-encoded (a
 * partition folder `city=S%C3%A3o`) is encoded once more there.
 */
export function logPath(fileKey: string): string {
  return fileKey.split('/').map(encodeURIComponent).join('/').replaceAll('%3D', '=')
}

/**
 * The reverse of `logPath`.
 * @throws SluiceError TABLE_UNSUPPORTED for files outside the table's own folder
 */
export function fileKey(path: string, table: string): string {
  let key: string
  try {
    key = decodeURIComponent(path)
  } catch (error) {
    throw new SluiceError('TABLE_CORRUPT', `Table ${table} lists a file with a malformed path: ${path}.`, {
      cause: error,
    })
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(path) || key.startsWith('/') || key.split('/').includes('..')) {
    const message = `Table ${table} lists a file outside its own folder (${path}); Sluice reads only what lies inside.`
    throw new SluiceError('TABLE_UNSUPPORTED', message, { retryable: false })
  }
  return key
}
