import { isSluiceError, messageOf } from '../../errors.js'
import { harmless, paint } from './style.js'
import type { Terminal } from './terminal.js'

/**
 * One clear message and what to do, on stderr. A stack trace is shown for defects, and with `--debug` for everything: a
 * user's mistake needs none.
 */
export function reportError(error: unknown, out: Terminal, debug: boolean): void {
  const known = isSluiceError(error)
  out.complain(`${paint('error:', 'red', out.errorsColoured)} ${harmless(messageOf(error), true)}`)
  out.complain(
    `${paint('hint:', 'cyan', out.errorsColoured)} ${known ? error.hint : 'This is a defect of Sluice: please report it.'}`,
  )
  if (known && debug) out.complain(`code: ${error.code}`)
  if ((debug || !known) && error instanceof Error && error.stack !== undefined) out.complain(stackOf(error))
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
