import { SluiceError } from '../../errors.js'

/**
 * Says that an earlier attempt may have committed, and that nobody can tell any more. No retry can know better, so a person decides.
 * @param version the one that the attempt had found; -1 for no table
 */
export function commitUnknown(table: string, version: number): SluiceError {
  const since = version < 0 ? 'before the table was there' : `at version ${version}`
  const message = `An earlier attempt was about to commit to ${table} ${since}, and some of the commits made since have been expired. Whether its commit was among them cannot be seen, so nothing is written.`
  return new SluiceError('COMMIT_UNKNOWN', message, { retryable: false })
}
