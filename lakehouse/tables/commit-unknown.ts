import { SluiceError } from '../../errors.js'

/**
 * Says that an earlier attempt may have committed, and that nobody can tell any more. No retry can know better, so a person decides.
 * @param number the last that the table had given to a commit when the attempt looked; -1 for no table
 */
export function commitUnknown(table: string, number: number): SluiceError {
  const since = number < 0 ? 'before the table was there' : `after version ${number}`
  const message = `An earlier attempt was about to commit to ${table} ${since}, and some of the commits made since have been expired. Whether its commit was among them cannot be seen, so nothing is written.`
  return new SluiceError('COMMIT_UNKNOWN', message, { retryable: false })
}
