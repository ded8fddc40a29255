import { describe, expect, it } from 'vitest'
import { ERRORS, isSluiceError, SluiceError } from '../errors.js'
import { sourceFiles, sourceText } from './source-files.js'

describe('errors', () => {
  it('takes status, exit code and hint from the catalogue', () => {
    const error = new SluiceError('PORT_IN_USE', 'Port 8080 is taken.')
    expect(error).toMatchObject({ status: 500, exitCode: 3, hint: ERRORS.PORT_IN_USE.hint, retryable: true })
    expect(isSluiceError(error, 'PORT_IN_USE')).toBe(true)
    expect(isSluiceError(error, 'CSRF')).toBe(false)
  })

  it('has no code that nothing uses', () => {
    const text = sourceFiles()
      .filter((path) => path !== 'errors.ts' && !path.startsWith('tests/'))
      .map((path) => sourceText(path).replace(/\/\*\*.*?\*\//gs, ''))
      .join('\n')
    // what an old Node is told stands in the one file that it can read
    const unused = Object.keys(ERRORS).filter((code) => code !== 'NODE_TOO_OLD' && !text.includes(`'${code}'`))
    expect(unused).toEqual([])
  })

  it('keeps the cause', () => {
    const cause = new Error('EADDRINUSE')
    expect(new SluiceError('PORT_IN_USE', 'Port 8080 is taken.', { cause }).cause).toBe(cause)
  })
})
