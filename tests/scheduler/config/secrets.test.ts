import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { namesSecret, resolveSecrets } from '../../../scheduler/secrets.js'

const env = (name: string) => ['${', `env:${name}}`].join('')
const file = (path: string) => ['${', `file:${path}}`].join('')

let folder: string
let found: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-secrets-'))
  found = []
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function resolved<Value>(value: Value, variables: Record<string, string> = {}): Value {
  return resolveSecrets(value, { env: variables, folder }, 'place', (secret) => found.push(secret))
}

describe('secrets', () => {
  it('are resolved in texts at any depth, and told before they are used', () => {
    const value = { a: [`Bearer ${env('TOKEN')}`, 1, null], b: { c: true } }
    expect(resolved(value, { TOKEN: 't1' })).toEqual({ a: ['Bearer t1', 1, null], b: { c: true } })
    expect(found).toEqual(['t1'])
  })

  it('come from files without their last line end', () => {
    writeFileSync(join(folder, 'key'), 'one\ntwo\r\n')
    expect(resolved(file('key'))).toBe('one\ntwo')
    expect(resolved(file(join(folder, 'key')))).toBe('one\ntwo')
  })

  it('are not looked for inside other secrets', () => {
    expect(resolved(env('A'), { A: env('B'), B: 'b' })).toBe(env('B'))
  })

  it.each([
    [env('NONE'), 'place names ${env' + ':NONE}, but the environment variable NONE is not set.'],
    [env('EMPTY'), 'which is empty'],
    [file('none'), 'cannot be read (ENOENT)'],
    [file('folder'), 'is not a plain file'],
    [file('large'), 'has 70000 bytes; a secret has at most 64 kB'],
  ])('that cannot be had are named: %s', (text, message) => {
    mkdirSync(join(folder, 'folder'))
    writeFileSync(join(folder, 'large'), 'x'.repeat(70_000))
    expect(() => resolved(text, { EMPTY: '' })).toThrow(message)
  })

  it('are recognised by their form alone', () => {
    expect(namesSecret(`a${env('X')}`)).toBe(true)
    expect(namesSecret('$' + '{HOME} ${')).toBe(false)
  })
})
