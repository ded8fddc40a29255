import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../../errors.js'
import type { SparkTarget } from './connection.js'

/** `spark-defaults.conf` as spark-submit would read it. */
export interface SparkDefaults {
  /** the file's own text; empty without a file */
  text: string
  properties: Record<string, string>
}

/**
 * Reads the defaults of the installation: `$SPARK_CONF_DIR/spark-defaults.conf`, else the one in the folder `conf` of the
 * installation. A missing file means no defaults.
 */
export function sparkDefaults(target: SparkTarget): SparkDefaults {
  const folder = target.env.SPARK_CONF_DIR ?? (target.home === null ? null : join(target.home, 'conf'))
  if (folder === null) return { text: '', properties: {} }
  let text: string
  try {
    text = readFileSync(join(folder, 'spark-defaults.conf'), 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return { text: '', properties: {} }
    throw error
  }
  return { text, properties: parseProperties(text) }
}

/** The lines of a Java properties file that are of the simple form `key value`, `key=value` or `key: value`. */
export function parseProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {}
  for (const line of text.split(/\r?\n/)) {
    const [, key, value] = /^\s*([^#!\s=:][^\s=:]*)(?:\s*[=:]\s*|\s+)(.*?)\s*$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) properties[key] = value
  }
  return properties
}

/** Properties as a Java properties file, any character escaped that would end or continue a line. */
export function propertiesText(properties: Record<string, string>): string {
  const escaped = (text: string) =>
    text
      .replaceAll('\\', '\\\\')
      .replaceAll('\n', '\\n')
      .replaceAll('\r', '\\r')
      // Java reads such files as Latin-1.
      .replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return Object.entries(properties)
    .map(([key, value]) => `${escaped(key)}=${escaped(value)}\n`)
    .join('')
}
