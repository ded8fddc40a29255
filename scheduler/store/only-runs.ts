/** Runs that a Sluice may work on while all others stand still. */
export class OnlyRuns {
  readonly #ids = new Set<string>()

  add(runId: string): void {
    this.#ids.add(runId)
  }

  has(runId: string): boolean {
    return this.#ids.has(runId)
  }

  ids(): string[] {
    return [...this.#ids]
  }
}

/** A further condition on a column with the id of a run; '' for none. */
export type Restriction = (runId: string) => string

/** no further condition */
export const EVERY_RUN: Restriction = () => ''

/** @param parameter of the statement, with the ids of the runs, such as `$4` */
export const among =
  (parameter: string): Restriction =>
  (runId) =>
    ` and ${runId} = any(${parameter}::text[])`
