import { describe, expect, it } from 'vitest'
import { ERRORS, isSluiceError, SluiceError } from '../errors.js'

describe('errors', () => {
  it('takes status, exit code and hint from the catalogue', () => {
    const error = new SluiceError('PORT_IN_USE', 'Port 8080 is taken.')
    expect(error).toMatchObject({ status: 500, exitCode: 3, hint: ERRORS.PORT_IN_USE.hint, retryable: true })
    expect(isSluiceError(error, 'PORT_IN_USE')).toBe(true)
    expect(isSluiceError(error, 'CSRF')).toBe(false)
  })

  it('keeps the cause', () => {
    const cause = new Error('EADDRINUSE')
    expect(new SluiceError('PORT_IN_USE', 'Port 8080 is taken.', { cause }).cause).toBe(cause)
  })
})
