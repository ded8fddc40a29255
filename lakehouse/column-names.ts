import { closest } from './names.js'
import { mismatch } from './schema-fit.js'
import { identifier } from './sql.js'

/** How columns of files and of other databases are called in a table. */
export interface ColumnNaming {
  /** by the name that the source has, in its spelling */
  rename: Record<string, string>
  /** the others: as they are, or by `snakeCase` */
  names: 'as_is' | 'snake_case'
}

const NAMES_SHOWN = 20

/**
 * The names that columns get, in their order.
 * @param table for messages
 * @throws SluiceError SCHEMA_MISMATCH for a `rename` of a column that is not there, a name of which nothing is left, and two
 * columns that get one name
 */
export function columnNames(table: string, found: readonly string[], { rename, names }: ColumnNaming): string[] {
  const missing = Object.keys(rename).find((name) => !found.includes(name))
  if (missing !== undefined) throw mismatch(table, isNotThere(missing, found))
  const given = found.map((name) => {
    if (Object.hasOwn(rename, name)) return rename[name] ?? name
    return names === 'snake_case' ? snakeCase(name) : name
  })
  const seen = new Map<string, string>()
  for (const [place, name] of given.entries()) {
    const from = found[place] ?? ''
    const hint = `Name it with \`rename\`: { ${JSON.stringify(from)}: … } below \`from\`.`
    if (name === '')
      throw mismatch(table, `has the column ${identifier(from)}, which has no letter and no digit`, { hint })
    const other = seen.get(name.toLowerCase())
    if (other !== undefined)
      throw mismatch(table, `has two columns that are called ${name}: ${identifier(other)} and ${identifier(from)}`, {
        hint,
      })
    seen.set(name.toLowerCase(), from)
  }
  return given
}

/**
 * `Order ID` and `OrderID` become `order_id`, `Amount (EUR)` `amount_eur`, `Crédit` `credit`, `2024` `_2024`: words in small
 * letters without accents, joined by `_`. Letters of other scripts stay. '' when there is no letter and no digit.
 */
export function snakeCase(name: string): string {
  const words = name
    .normalize('NFKD')
    .replace(/(?<=[a-z])\p{M}+|(?<=[A-Z])\p{M}+/gu, '')
    .normalize('NFC')
    .replace(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, '_')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, '_')
    .replace(/^_+|_+$/g, '')
  return /^\p{N}/u.test(words) ? `_${words}` : words
}

function isNotThere(name: string, found: readonly string[]): string {
  const near = closest(name, found)
  const there = found.slice(0, NAMES_SHOWN).map(identifier).join(', ')
  const more = found.length > NAMES_SHOWN ? ', …' : ''
  return `lacks the column ${identifier(name)} of \`rename\`; ${near === null ? `there are ${there}${more}` : `did you mean ${identifier(near)}?`}`
}
