import { randomInt } from 'node:crypto'
import { Client } from 'pg'

/**
 * A row that Trino gets of PostgreSQL once it is let: a query that reads it runs for as long as a test wants, whatever the machine
 * has to do.
 */
export class HeldRow {
  private constructor(
    private readonly client: Client,
    /** in the text of every query that reads the row */
    readonly mark: string,
  ) {}

  static async hold(): Promise<HeldRow> {
    const client = new Client({ connectionString: process.env.PG_DSN })
    await client.connect()
    const key = randomInt(2 ** 31)
    await client.query('select pg_advisory_lock($1)', [key])
    return new HeldRow(client, `pg_advisory_lock_shared(${key})`)
  }

  /** what a SELECT reads it from: one row with an empty text, `held`, which must be read */
  get table(): string {
    return `TABLE(postgresql.system.query(query => 'select ${this.mark}::text as held'))`
  }

  /** May be repeated. */
  async release(): Promise<void> {
    await this.client.end()
  }
}
