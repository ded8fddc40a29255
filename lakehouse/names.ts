import { SluiceError } from '../errors.js'

/** A table by catalog, schema and name. Only names from the allow-list exist, so they are safe in paths and in SQL. */
export interface TableName {
  catalog: string
  schema: string
  name: string
}

const PART_PATTERN = '[a-z][a-z0-9_]{0,127}'
const PART = new RegExp(`^${PART_PATTERN}$`)

/** The same rule for JSON Schemas: two or three parts that are in the allow-list. */
export const TABLE_NAME_PATTERN = `^${PART_PATTERN}(\\.${PART_PATTERN}){1,2}$`
/** The sentence for it, after "must be". */
export const TABLE_NAME_EXPECTS =
  'schema.table or catalog.schema.table, each part a small letter, then small letters, digits and _'

/**
 * A table's name in its parts; without a catalog it is in the default one.
 * @param text `schema.table` or `catalog.schema.table`
 * @param catalogs names of the catalogs; the first is the default
 * @throws SluiceError TABLE_NAME_INVALID saying what is wrong with the name
 */
export function parseTableName(text: string, catalogs: string[]): TableName {
  const parts = text.split('.')
  const [catalog, schema, name] = parts.length === 2 ? [catalogs[0], ...parts] : parts
  if (parts.length < 2 || parts.length > 3 || catalog === undefined || schema === undefined || name === undefined) {
    throw invalid(text, `has ${parts.length} parts`)
  }
  for (const part of parts) {
    if (!PART.test(part)) throw invalid(text, `has the part "${part}"; a part is a letter, then letters, digits and _`)
  }
  if (!catalogs.includes(catalog)) {
    throw new SluiceError('TABLE_UNKNOWN', `There is no catalog ${catalog}; known are ${catalogs.join(', ')}.`)
  }
  return { catalog, schema, name }
}

/**
 * Whether a name is in the allow-list: a small letter, then small letters, digits and `_`, 128 characters at
 * most. Folders and schemas that others made under different names are not tables of Sluice.
 */
export function isTableNamePart(part: string): boolean {
  return PART.test(part)
}

/** What somebody meant who wrote a name as other systems take it (`Silver.Sales-2026`); null when nothing is near. */
export function asTableName(text: string): string | null {
  const name = text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9_.]+/g, '_')
  return new RegExp(TABLE_NAME_PATTERN).test(name) && name !== text ? name : null
}

/** `schema.table` in the default catalog, else all three parts. */
export function formatTableName(table: TableName, defaultCatalog: string): string {
  const short = `${table.schema}.${table.name}`
  return table.catalog === defaultCatalog ? short : `${table.catalog}.${short}`
}

/**
 * The refusal of a quarantine that is the table itself: what the gate keeps out would come in through it.
 * @param to the table as people write it
 */
export function quarantineIsTarget(to: string): SluiceError {
  const message = `The quarantine is ${to} itself, the table that is written: rows that fail a check would be published there.`
  return new SluiceError('TABLE_NAME_INVALID', message, {
    hint: 'Name another table as `quarantine`.',
    retryable: false,
  })
}

/** The candidate that differs from `word` by the fewest edits, when that is few enough to be a slip of the pen. */
export function closest(word: string, candidates: Iterable<string>): string | null {
  let best: { candidate: string; distance: number } | null = null
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate)
    if (distance <= Math.max(2, word.length / 4) && (best === null || distance < best.distance)) {
      best = { candidate, distance }
    }
  }
  return best?.candidate ?? null
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const substituted = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, substituted))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}

function invalid(text: string, problem: string): SluiceError {
  const message = `"${text}" is not a table name: it ${problem}. Expected schema.table or catalog.schema.table.`
  return new SluiceError('TABLE_NAME_INVALID', message, { retryable: false })
}
