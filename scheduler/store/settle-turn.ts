import { dagOfRun } from '../core/run-id.js'

/** Where looks for runs to settle have come to. What a look finds and cannot take along has its turn at one of the next. */
export interface SettleTurn {
  /** by DAG the run that was given last */
  readonly runs: Readonly<Record<string, string>>
  /** the DAG that was given last */
  readonly dag: string
}

/** Nothing has been given yet. */
export const FIRST_TURN: SettleTurn = { runs: {}, dag: '' }

/**
 * The turn behind a look. One that did not use its limit has given all there was, and the next begins anew.
 * @param given the runs in the order in which the look gave them
 */
export function nextTurn(turn: SettleTurn, given: readonly string[], limit: number): SettleTurn {
  const last = given.at(-1)
  if (last === undefined || given.length < limit) return FIRST_TURN
  const runs = Object.fromEntries(given.map((runId) => [dagOfRun(runId), runId]))
  return { runs: { ...turn.runs, ...runs }, dag: dagOfRun(last) }
}
