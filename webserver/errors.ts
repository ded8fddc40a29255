import type { ErrorRequestHandler, NextFunction, Request, Response } from 'express'
import { type ErrorCode, isSluiceError, SluiceError } from '../errors.js'
import { identityOf } from './auth/session.js'
import { logDefect } from './log.js'
import { sendPage } from './page.js'
import { href } from './query.js'
import type { Web } from './web.js'

/** Sends whoever has not logged in to the login page, and from there back to where they wanted to be. */
export function requireLogin(req: Request, res: Response, next: NextFunction): void {
  if (identityOf(res) !== null) next()
  else if (req.method === 'GET')
    res.redirect(303, href('/login', { next: req.originalUrl === '/' ? '' : req.originalUrl }))
  else throw new SluiceError('LOGIN_REQUIRED', 'Your session has ended.')
}

/** What was thrown as a coded error: Express's own refusals get our codes, everything unknown is a defect. */
export function codedError(error: unknown): SluiceError {
  if (isSluiceError(error)) return error
  const status = (error as { status?: unknown } | null)?.status
  if (status === 413)
    return new SluiceError('PAYLOAD_TOO_LARGE', 'The request is larger than Sluice takes.', { cause: error })
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new SluiceError('BAD_REQUEST', 'The request cannot be read.', { cause: error })
  return new SluiceError('INTERNAL', 'Something went wrong inside Sluice.', { cause: error })
}

const HEADINGS: Partial<Record<ErrorCode, string>> = {
  NOT_FOUND: 'Not found',
  DAG_UNKNOWN: 'No such DAG',
  RUN_UNKNOWN: 'No such run',
  TASK_UNKNOWN: 'No such task',
  TABLE_UNKNOWN: 'No such table',
  FORBIDDEN: 'Not allowed',
  LOGIN_REQUIRED: 'Log in again',
  INTERNAL: 'A defect',
}

/** The last handler of the pages: an error as a page, with the status and the hint of its code. */
export function pageErrors(web: Web): ErrorRequestHandler {
  return async (thrown, req, res, next) => {
    const error = codedError(thrown)
    if (error.code === 'INTERNAL') logDefect(thrown, `${req.method} ${req.path}`)
    if (res.headersSent) return next(thrown)
    const heading = HEADINGS[error.code] ?? 'Not done'
    const model = { heading, message: error.message, hint: error.hint }
    try {
      await sendPage(web, req, res, 'error', { title: heading, section: null, status: error.status }, model)
    } catch (cause) {
      // the page itself needs the store for its head; without one a plain sentence must do
      logDefect(cause, 'error page')
      res.status(error.status).type('text').send(`${error.message} ${error.hint}\n`)
    }
  }
}
