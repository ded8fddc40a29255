import type { History } from '../history.js'
import type { EventRow, Tables } from '../memory-store/tables.js'
import { LANDING, type Outside, TABLE, WAITING } from '../outside.js'
import type { StoreCall } from '../remote-store.js'

/** Each version, file and run that a DAG waits for starts (or goes into) exactly one run. */
export class TriggersCheck {
  readonly #history: History
  readonly #tables: Tables
  readonly #outside: Outside
  /** what a run stands for: `dag kind source key` */
  readonly #fired = new Map<string, string>()

  constructor(history: History, tables: Tables, outside: Outside) {
    this.#history = history
    this.#tables = tables
    this.#outside = outside
  }

  observe(call: StoreCall): void {
    if (call.method !== 'fireTriggers') return
    const events = new Map([...this.#tables.events.values()].map((event) => [event.id, event]))
    for (const { run, events: ids } of call.args[0]) {
      if (!call.result.some((made) => made.startsWith(run.id))) continue
      for (const id of ids) {
        const event = events.get(id)
        if (event !== undefined) this.#started(nameOf(event), run.id)
      }
    }
  }

  #started(thing: string, runId: string): void {
    const before = this.#fired.get(thing)
    if (before !== undefined) this.#history.violated('one run per event', `${thing} started ${before} and ${runId}`)
    this.#fired.set(thing, runId)
  }

  /** Nothing is left that a run is still to be made for. */
  isOver(): boolean {
    const sources = [...this.#tables.sources.values()].filter(({ dagId }) => dagId === WAITING)
    if (sources.length === 0) return true
    const newest = this.#outside.versions.at(-1)?.version ?? -1
    const isSeen = sources.every(({ kind, position }) => kind !== 'table' || (position ?? -2) >= newest)
    const known = new Set([...this.#tables.events.values()].map(({ key }) => key))
    const isPending = [...this.#tables.events.values()].some(({ runId, dropped }) => runId === null && !dropped)
    return isSeen && !isPending && this.#outside.files.every((key) => known.has(key))
  }

  /** of a DAG that makes up for everything and was never changed */
  end(): void {
    const expected = (kind: string, source: string, key: string | number) => {
      const thing = `${WAITING} ${kind} ${source} ${key}`
      if (!this.#fired.has(thing)) this.#history.violated('no event is lost', `${thing} has started no run`)
    }
    for (const { kind, source, since, dagId } of this.#tables.sources.values()) {
      if (dagId !== WAITING) continue
      if (kind === 'table') {
        for (const one of this.#outside.versions) if (one.committedAt > since) expected(kind, TABLE, one.version)
      } else if (kind === 'file') for (const file of this.#outside.files) expected(kind, LANDING, file)
      else {
        for (const { run } of this.#tables.runs.values()) {
          if (run.dagId === source && run.state === 'success' && run.onlyTasks === null) expected(kind, source, run.id)
        }
      }
    }
  }
}

function nameOf({ dagId, kind, source, key }: EventRow): string {
  return `${dagId} ${kind} ${source} ${key}`
}
