import { SluiceError } from '../../errors.js'

/** A column of a result as the protocol describes it. */
export interface ResultColumn {
  name: string
  dataTypeID: number
  dataTypeModifier: number
}

/** What the database's catalog says of a type that is not built in. */
export interface TypeFacts {
  name: string
  /** `typtype`: b(ase), c(omposite), d(omain), e(num), p(seudo), r(ange), m(ultirange) */
  kind: string
  /** `typcategory`: S for strings */
  category: string
}

/** How a column is carried over. */
export interface CarriedColumn {
  name: string
  /** the engine's type; the value's text is cast to it */
  type: string
  /** bytea goes as bytes, all else as text */
  binary: boolean
  /** of a numeric without a declared precision: no value may need more digits than the type has */
  limit: { digits: number; scale: number } | null
}

const BYTEA = 17
const NUMERIC = 1700
/** For numerics of any size: far more than amounts and rates need, and checked value by value. */
const ANY_NUMERIC = { digits: 38, scale: 10 }
const MAX_DIGITS = 38
const FIRST_OWN_TYPE = 16_384

/** By the OIDs of pg_type.dat, which never change. Types without an equal are carried as the text the database prints. */
const TYPES = new Map<number, string>([
  [16, 'BOOLEAN'],
  [21, 'SMALLINT'],
  [23, 'INTEGER'],
  [20, 'BIGINT'],
  [26, 'BIGINT'], // oid
  [700, 'FLOAT'],
  [701, 'DOUBLE'],
  [1082, 'DATE'],
  [1114, 'TIMESTAMP'],
  [1184, 'TIMESTAMPTZ'],
  ...[
    18, // "char"
    19, // name
    25, // text
    114, // json
    142, // xml
    650, // cidr
    774, // macaddr8
    790, // money
    829, // macaddr
    869, // inet
    1042, // bpchar
    1043, // varchar
    1083, // time
    1186, // interval
    1266, // timetz
    1560, // bit
    1562, // varbit
    2950, // uuid
    3802, // jsonb
    4072, // jsonpath
  ].map((oid): [number, string] => [oid, 'VARCHAR']),
])

/**
 * How a column comes over without a loss.
 * @param facts of a type that is not built in; null for built-in ones
 * @throws SluiceError SCHEMA_MISMATCH naming a column whose type has no equal, and what to write instead
 */
export function carried(column: ResultColumn, facts: TypeFacts | null): CarriedColumn {
  const { name, dataTypeID, dataTypeModifier } = column
  const as = (type: string) => ({ name, type, binary: false, limit: null })
  if (dataTypeID === BYTEA) return { ...as('BLOB'), binary: true }
  if (dataTypeID === NUMERIC) return { ...as(''), ...numeric(column, dataTypeModifier) }
  const known = TYPES.get(dataTypeID)
  if (known !== undefined) return as(known)
  const isText = facts !== null && (facts.kind === 'e' || facts.category === 'S')
  if (dataTypeID >= FIRST_OWN_TYPE && isText) return as('VARCHAR')
  const type = facts?.name ?? `with the number ${dataTypeID}`
  throw new SluiceError('SCHEMA_MISMATCH', `Column ${name} has the type ${type}, which has no equal in a table.`, {
    hint: `Write a query that makes text of it, such as to_json(${name})::text or ${name}::text.`,
    retryable: false,
  })
}

/** The modifier holds precision and scale, the latter as a signed number of 11 bits. */
function numeric({ name }: ResultColumn, modifier: number): Pick<CarriedColumn, 'type' | 'limit'> {
  if (modifier < 0) {
    return { type: `DECIMAL(${ANY_NUMERIC.digits},${ANY_NUMERIC.scale})`, limit: ANY_NUMERIC }
  }
  const precision = ((modifier - 4) >> 16) & 0xffff
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024
  // a negative scale rounds to tens and hundreds: as many digits more before the point
  const digits = scale < 0 ? precision - scale : Math.max(precision, scale)
  if (digits > MAX_DIGITS) {
    const message = `Column ${name} is numeric(${precision},${scale}); a table holds ${MAX_DIGITS} digits at most.`
    throw new SluiceError('SCHEMA_MISMATCH', message, { hint: 'Cast it in a query.', retryable: false })
  }
  return { type: `DECIMAL(${digits},${Math.max(scale, 0)})`, limit: null }
}

/** @throws SluiceError SCHEMA_MISMATCH for a numeric that the type would round or cannot hold */
export function assertFits(column: CarriedColumn, value: string): void {
  if (column.limit === null) return
  const { digits, scale } = column.limit
  const [, whole = '', fraction = ''] = /^-?0*(\d*)(?:\.(\d*?)0*)?$/.exec(value) ?? []
  const fits = /^-?[\d.]+$/.test(value) && whole.length <= digits - scale && fraction.length <= scale
  if (fits) return
  const message = `Column ${column.name} is numeric without a precision and holds ${value.slice(0, 80)}, which does not fit into ${column.type}.`
  const hint = `Say in a query how many digits it has: ${column.name}::numeric(38,20), for example.`
  throw new SluiceError('SCHEMA_MISMATCH', message, { hint, retryable: false })
}
