import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { codeOf, SluiceError } from '../errors.js'

/** `${env:NAME}` or `${file:path}`, anywhere inside a text. */
const REFERENCE = /\$\{(env|file):([^}]*)\}/g
/** More is no secret but a mistake, such as a path to a database. */
const MAX_FILE_BYTES = 64 * 1024

/** Where secrets come from: the process that needs them, never an earlier one. */
export interface SecretSource {
  env: Record<string, string | undefined>
  /** absolute folder that relative `${file:…}` paths start in: the project */
  folder: string
}

/** True when the text names a secret. */
export function namesSecret(text: string): boolean {
  return text.search(REFERENCE) !== -1
}

/**
 * Replaces the secrets that a value names, in texts at any depth; everything else stays as it is.
 * @param place how messages call the value, e.g. `sluice.yaml: connections.crm`
 * @param found is told each secret before it is used, so that it is masked from then on
 * @throws SluiceError SECRET_MISSING (not retryable) naming the place and what is missing, never a value
 */
export function resolveSecrets<Value>(
  value: Value,
  source: SecretSource,
  place: string,
  found: (secret: string) => void,
): Value {
  return replaced(value, place)

  // Keeps the shape of the value: a text becomes a text, a list a list of the same length, a map one of the same keys.
  function replaced<Part>(part: Part, at: string): Part {
    if (typeof part === 'string') return textWith(part, source, at, found) as Part
    if (Array.isArray(part)) return part.map((item, index) => replaced(item, `${at}[${index}]`)) as Part
    if (typeof part !== 'object' || part === null) return part
    return Object.fromEntries(Object.entries(part).map(([key, item]) => [key, replaced(item, `${at}.${key}`)])) as Part
  }
}

function textWith(text: string, source: SecretSource, place: string, found: (secret: string) => void): string {
  return text.replace(REFERENCE, (reference, kind: string, name: string) => {
    const secret = kind === 'env' ? fromEnvironment(name, source, place) : fromFile(name, source, place)
    if (secret === '') throw missing(`${place} names ${reference}, which is empty.`)
    found(secret)
    return secret
  })
}

function fromEnvironment(name: string, source: SecretSource, place: string): string {
  const secret = source.env[name]
  if (secret !== undefined) return secret
  throw missing(`${place} names \${env:${name}}, but the environment variable ${name} is not set.`)
}

/** The last line end of the file is not part of the secret: editors and `echo` add one. */
function fromFile(path: string, source: SecretSource, place: string): string {
  const file = resolve(source.folder, path)
  try {
    const stat = statSync(file)
    if (!stat.isFile()) throw missing(`${place} names \${file:${path}}, which is not a plain file.`)
    if (stat.size > MAX_FILE_BYTES) {
      throw missing(`${place} names \${file:${path}}, which has ${stat.size} bytes; a secret has at most 64 kB.`)
    }
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    if (error instanceof SluiceError) throw error
    const code = codeOf(error) || 'unknown error'
    throw missing(`${place} names \${file:${path}}, but ${file} cannot be read (${code}).`, error)
  }
}

function missing(message: string, cause?: unknown): SluiceError {
  return new SluiceError('SECRET_MISSING', message, { cause, retryable: false })
}
