import type { ErrorRequestHandler } from 'express'
import { codedError } from '../errors.js'
import { logDefect } from '../log.js'

/** Refusals as RFC 9457 documents. */
export const problems: ErrorRequestHandler = (thrown, req, res, next) => {
  const error = codedError(thrown)
  if (error.code === 'INTERNAL') logDefect(thrown, `${req.method} ${req.originalUrl.split('?')[0]}`)
  if (res.headersSent) return next(thrown)
  if (error.status === 401) res.set('www-authenticate', 'Bearer')
  res
    .status(error.status)
    .type('application/problem+json')
    .send(
      JSON.stringify({
        type: `urn:sluice:problem:${error.code.toLowerCase().replaceAll('_', '-')}`,
        title: error.code.toLowerCase().replaceAll('_', ' '),
        status: error.status,
        detail: error.message,
        code: error.code,
        hint: error.hint,
      }),
    )
}
