import { describe, expect, it } from 'vitest'
import { MASK, Masking } from '../../../scheduler/worker/masking.js'

function masking(...secrets: string[]): Masking {
  const result = new Masking()
  for (const secret of secrets) result.add(secret)
  return result
}

describe('masking', () => {
  it.each([
    ['as it is', 's3cr3t!', 'password is s3cr3t!, really'],
    ['with what regular expressions read otherwise', 'a.b*c[d](e)+$', 'x a.b*c[d](e)+$ y'],
    ['inside JSON', 'say "hi"\\now', JSON.stringify({ password: 'say "hi"\\now' })],
    ['inside a URL', 'p@ss/wörd', `https://user:${encodeURIComponent('p@ss/wörd')}@host`],
    ['in base64', 'correct horse', `Basic ${Buffer.from('correct horse').toString('base64')}`],
    ['with a control character made visible', 'bell\u0007rings', 'bell\\x07rings'],
  ])('hides a secret %s', (_how, secret, text) => {
    const masked = masking(secret).text(text)
    expect(masked).toContain(MASK)
    expect(masked).not.toContain(secret)
    expect(masked.replaceAll(MASK, '')).not.toMatch(/horse|s3cr3t|rings|hi\\"|w%C3%B6rd|b\*c/)
  })

  it('hides each line of a secret of several lines, but not the marks of its format', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n}\n'
    const it = masking(key)
    expect(it.text('MIIEvQIBADANBgkq')).toBe(MASK)
    expect(it.text('{ a }')).toBe('{ a }')
  })

  it('leaves no part of the longer of two secrets that begin alike', () => {
    expect(masking('abc', 'abcdef').text('abcdef abc')).toBe(`${MASK} ${MASK}`)
  })

  it('hides secrets at any depth of a value, in keys and numbers too', () => {
    const it = masking('12345', 'key')
    expect(it.json({ a: [{ key: 12345, b: 1 }], c: '12345 6' })).toEqual({
      a: [{ [MASK]: MASK, b: 1 }],
      c: `${MASK} 6`,
    })
  })

  it('changes nothing without secrets', () => {
    const value = { a: ['b'] }
    expect(new Masking().json(value)).toBe(value)
  })
})
