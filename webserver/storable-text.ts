import type { NextFunction, Request, Response } from 'express'
import { SluiceError } from '../errors.js'

/** PostgreSQL keeps neither NUL nor half a character (a lone surrogate) in a text. */
const UNSTORABLE = /[\0\p{Surrogate}]/u

/**
 * Refuses, before any of it reaches a statement, texts that no store can hold: a path that has one leads nowhere, a query or a
 * body that has one is a wrong request. Stands behind what reads the body.
 * @throws SluiceError NOT_FOUND, BAD_REQUEST
 */
export function refuseUnstorable(req: Request, _res: Response, next: NextFunction): void {
  if (!isStorable(decoded(req.path)))
    throw new SluiceError('NOT_FOUND', `There is no ${req.method} ${req.baseUrl}${req.path}.`)
  assertStorable(req.query, 'The query')
  assertStorable(req.body, 'The body')
  next()
}

/**
 * @param what stands at the begin of the refusal, such as `The body`
 * @throws SluiceError BAD_REQUEST
 */
export function assertStorable(value: unknown, what: string): void {
  if (isStorable(value)) return
  throw new SluiceError(
    'BAD_REQUEST',
    `${what} holds the character U+0000 or half a character, which nothing can keep.`,
    {
      hint: 'Remove the character and send it again.',
    },
  )
}

/** Goes through all texts and keys; without recursion, since a body may nest deeper than the stack is. */
function isStorable(value: unknown): boolean {
  const open: unknown[] = [value]
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (typeof one === 'string' && UNSTORABLE.test(one)) return false
    if (typeof one !== 'object' || one === null || Buffer.isBuffer(one)) continue
    for (const [key, inner] of Object.entries(one)) {
      if (UNSTORABLE.test(key)) return false
      if (inner !== undefined) open.push(inner)
    }
  }
  return true
}

/** What cannot be decoded is refused by the router, by its own words. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return ''
  }
}
