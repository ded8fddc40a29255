/**
 * Whether a code is one of PostgreSQL's: five characters, of which at least one is a digit. What Node says of a socket may have
 * five letters too (EPIPE), and then there was no answer.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function isSqlState(code: string): boolean {
  return /^(?=.*\d)[0-9A-Z]{5}$/.test(code)
}
