import type { JsonObject } from '../../../json.js'
import type { StatementPage } from './protocol.js'

/** The first line about a running query comes after this time, each later one after twice the time. */
const FIRST_LINE_MS = 5_000
const LONGEST_GAP_MS = 300_000

type Log = (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void

/** Tells how a query goes: live on the page, and in the log now and then. */
export class QueryProgress {
  #state = ''
  #shown = ''
  #gapMs = FIRST_LINE_MS
  #nextLineMs = FIRST_LINE_MS

  /** @param step what the query is for: `staging`, `publishing` */
  constructor(
    private readonly step: string,
    private readonly log: Log,
    private readonly progress: (value: JsonObject) => void,
  ) {}

  page({ id, infoUri, stats }: StatementPage): void {
    const { state, completedSplits, totalSplits, processedRows, processedBytes } = stats
    const key = `${state} ${completedSplits} ${totalSplits} ${processedRows}`
    if (key !== this.#shown) {
      this.#shown = key
      this.progress({
        query: id,
        step: this.step,
        state: state.toLowerCase(),
        done: completedSplits,
        total: totalSplits,
        unit: 'splits',
        rows: processedRows,
        bytes: processedBytes,
        ...(infoUri === null ? {} : { url: infoUri }),
      })
    }
    // a query that does not get on is worth a line too
    const begun = this.#state === ''
    const due = stats.elapsedTimeMillis >= this.#nextLineMs
    this.#state = state
    if (begun) this.log('info', `Trino query ${id}: ${this.step}.`)
    if (!due) return
    this.#gapMs = Math.min(this.#gapMs * 2, LONGEST_GAP_MS)
    this.#nextLineMs = stats.elapsedTimeMillis + this.#gapMs
    const splits = `${completedSplits} of ${totalSplits} splits`
    const rows = `${processedRows.toLocaleString('en-US')} rows, ${megabytes(processedBytes)} MB`
    this.log('info', `Trino query ${id}: ${state.toLowerCase()}, ${splits}, ${rows} read.`)
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: 1 })
}
