import { SluiceError } from '../../../errors.js'
import type { CatalogConfig } from '../../config.js'
import { formatTableName, isTableNamePart, parseTableName } from '../../names.js'
import { identifier } from '../../sql.js'

/** Schema of staging tables in each Trino catalog; no table name of Sluice may begin like it. */
export const STAGING_SCHEMA = '_sluice_staging'

/** A lakehouse table as Trino knows it. */
export interface TrinoTable {
  /** as people write it */
  label: string
  format: CatalogConfig['format']
  /** Trino's name of the catalog */
  catalog: string
  schema: string
  name: string
  /** where the tables of the schema lie; null leaves it to Trino */
  schemaLocation: string | null
}

/** A SELECT with Trino's names, and where its places were before. */
export interface TrinoText {
  sql: string
  place(line: number, column: number): { line: number; column: number }
}

/** Sluice's names of tables and Trino's. */
export class TrinoNames {
  readonly defaultCatalog: string
  readonly #catalogs: Record<string, CatalogConfig>
  readonly #labels = new Map<string, string>()

  constructor(catalogs: Record<string, CatalogConfig>) {
    const [first] = Object.keys(catalogs)
    if (first === undefined) throw new SluiceError('CONFIG_INVALID', 'catalogs: at least one catalog is needed.')
    this.#catalogs = catalogs
    this.defaultCatalog = first
    for (const name of Object.keys(catalogs)) this.#labels.set(this.trinoCatalog(name), name)
  }

  /** Trino's name of a catalog; by default the same. */
  trinoCatalog(name: string): string {
    return this.#catalogs[name]?.trino ?? name
  }

  /** @throws SluiceError TABLE_NAME_INVALID, TABLE_UNKNOWN when the catalog is none of sluice.yaml */
  table(text: string): TrinoTable {
    const name = parseTableName(text, Object.keys(this.#catalogs))
    return this.#table(name.catalog, name.schema, name.name)
  }

  /** The lakehouse table behind Trino's name; null for tables of other catalogs and for our staging tables. */
  known(catalog: string, schema: string, name: string): TrinoTable | null {
    const own = this.#labels.get(catalog)
    if (own === undefined || !isTableNamePart(schema)) return null
    return this.#table(own, schema, name)
  }

  /** The text with Sluice's names of catalogs replaced by Trino's, where a name has three parts or more. */
  rewrite(sql: string): TrinoText {
    const edits: { at: number; shift: number }[] = []
    let rewritten = ''
    let done = 0
    for (const { at, end, text } of firstParts(sql)) {
      const name = text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase()
      const trino = Object.hasOwn(this.#catalogs, name) ? this.trinoCatalog(name) : name
      if (trino === name) continue
      rewritten += sql.slice(done, at) + identifier(trino)
      done = end
      edits.push({ at: rewritten.length, shift: identifier(trino).length - (end - at) })
    }
    rewritten += sql.slice(done)
    return { sql: rewritten, place: (line, column) => original(sql, rewritten, edits, line, column) }
  }

  #table(catalog: string, schema: string, name: string): TrinoTable {
    const { format = 'delta', location = '' } = this.#catalogs[catalog] ?? {}
    const label = formatTableName({ catalog, schema, name }, this.defaultCatalog)
    const schemaLocation = location.startsWith('s3://') ? `${location.replace(/\/+$/, '')}/${schema}` : null
    return { label, format, catalog: this.trinoCatalog(catalog), schema, name, schemaLocation }
  }
}

/** The name as SQL writes it. @param metadata a metadata table: `history`, `snapshots` */
export function qualified(table: { catalog: string; schema: string; name: string }, metadata?: string): string {
  const name = metadata === undefined ? table.name : `${table.name}$${metadata}`
  return [table.catalog, table.schema, name].map(identifier).join('.')
}

/** Strings, comments and numbers, which hold no names; names; everything else one character at a time. */
const TOKEN =
  /'(?:[^']|'')*'|--[^\n]*|\/\*[\s\S]*?\*\/|\d[\w.]*|(?<name>"(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_]*)|(?<dot>\.)|\s+|[\s\S]/g

/** The first parts of all names with three parts or more. */
function firstParts(sql: string): { at: number; end: number; text: string }[] {
  const found: { at: number; end: number; text: string }[] = []
  let chain: { at: number; end: number; text: string; parts: number; open: boolean } | null = null
  const close = (): void => {
    if (chain !== null && chain.parts >= 3) found.push({ at: chain.at, end: chain.end, text: chain.text })
    chain = null
  }
  for (const match of sql.matchAll(TOKEN)) {
    const [text] = match
    const { name, dot } = match.groups ?? {}
    if (/^(\s|--|\/\*)/.test(text)) continue
    if (dot !== undefined && chain !== null && !chain.open) chain.open = true
    else if (name !== undefined && chain?.open) {
      chain.parts += 1
      chain.open = false
    } else {
      close()
      if (name !== undefined) {
        chain = { at: match.index, end: match.index + text.length, text, parts: 1, open: false }
      }
    }
  }
  close()
  return found
}

function original(
  before: string,
  after: string,
  edits: { at: number; shift: number }[],
  line: number,
  column: number,
): { line: number; column: number } {
  const lines = after.split('\n')
  const offset = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1
  const shift = edits.filter((edit) => edit.at <= offset).reduce((sum, edit) => sum + edit.shift, 0)
  const upTo = before.slice(0, Math.max(0, offset - shift)).split('\n')
  return { line: upTo.length, column: (upTo.at(-1)?.length ?? 0) + 1 }
}
