import type { Database, SqlRow, SqlStatement } from './database.js'

/** So often the general statement is asked at once after it was needed. */
const PASSES = 16

/**
 * A statement that deals with the usual case, that there is just one, before the general one. Among many it would only cost
 * time, so it is left out for a while once it has failed.
 */
export class LoneFirst {
  #left = 0

  /** @param lone gives no row unless there is just one to deal with */
  async ask<Row extends SqlRow>(database: Database, lone: SqlStatement, general: SqlStatement): Promise<Row[]> {
    if (this.#left > 0) {
      this.#left -= 1
      return database.query<Row>(general.sql, general.params)
    }
    const { rows, of } = await database.firstRows<Row>([lone, general])
    if (of === 1) this.#left = PASSES
    return rows
  }
}
