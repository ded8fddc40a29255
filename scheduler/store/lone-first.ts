import type { Database, LoneAnswer, SqlRow, SqlStatement } from './database.js'

/** So often the general statements are asked at once after they were needed. */
const PASSES = 16

/**
 * A statement that deals with the usual case, that there is just one, before the general ones. Among many it would only cost
 * time, so it is left out for a while once it has failed.
 */
export class LoneFirst {
  #left = 0

  /** @param lone gives no row unless there is just one to deal with */
  async ask(database: Database, lone: SqlStatement, general: readonly SqlStatement[]): Promise<LoneAnswer> {
    if (this.#left > 0) {
      this.#left -= 1
      return { general: await Promise.all(general.map(({ sql, params }) => database.query(sql, params))) }
    }
    const answer = await database.loneOr(lone, general)
    if ('general' in answer && (answer.general[0] ?? []).length > 0) this.#left = PASSES
    return answer
  }

  /** The same where one general statement gives the same rows. */
  async rows<Row extends SqlRow>(database: Database, lone: SqlStatement, general: SqlStatement): Promise<Row[]> {
    const answer = await this.ask(database, lone, [general])
    return ('lone' in answer ? answer.lone : (answer.general[0] ?? [])) as Row[]
  }
}
