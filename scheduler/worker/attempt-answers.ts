import { messageOf } from '../../errors.js'
import type { Json } from '../../json.js'
import type { Clock } from '../clock.js'
import type { Log } from '../loop/ports.js'
import type { EarlierAttempt, Store } from '../store/store.js'
import type { Execution } from './execution.js'
import { patiently } from './patience.js'

export interface AttemptAnswersOptions {
  store: Pick<Store, 'saveHandle' | 'doneBefore'>
  clock: Clock
  log: Log
  /** the store no longer knows the claim of this attempt */
  lostClaim(execution: Execution): void
  warn(execution: Execution, message: string): void
}

/** What slots ask of the store for their attempts. They get an answer whatever happens to the store, since the attempt waits for it. */
export class AttemptAnswers {
  readonly #options: AttemptAnswersOptions

  constructor(options: AttemptAnswersOptions) {
    this.#options = options
  }

  /**
   * Repeated until it is saved or the attempt is to stop: without its handle outside work would be nobody's.
   * @param handle the number of the question
   */
  async saveHandle(execution: Execution, handle: number, value: Json): Promise<void> {
    const { store, clock, log, lostClaim } = this.#options
    const { claimToken } = execution.claim
    let failure: string | null = null
    try {
      const save = () => store.saveHandle(execution.ref, value, clock.now())
      const wanted = () => execution.stop === null
      const saved = await patiently(save, { clock, log, what: 'a handle could not be saved', wanted })
      if (saved === 'lost_claim') {
        failure = 'the claim of this attempt was lost, so its handle is refused'
        lostClaim(execution)
      }
    } catch (error) {
      failure = `the handle could not be saved: ${messageOf(error)}`
    }
    execution.slot?.send({ kind: 'handle_saved', claimToken, handle, failure })
  }

  /** An earlier result saves work; where none can be found the work is done. */
  async earlierResult(execution: Execution, inputKey: string): Promise<void> {
    const { store, warn } = this.#options
    const { claimToken } = execution.claim
    let earlier: EarlierAttempt | null = null
    try {
      earlier = await store.doneBefore(inputKey)
    } catch (error) {
      warn(execution, `no earlier result could be looked for, so the task runs: ${messageOf(error)}`)
    }
    execution.slot?.send({ kind: 'done_before', claimToken, earlier })
  }
}
