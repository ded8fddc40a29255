import type { Instant } from '../../json.js'
import type { TriggerEvent } from '../../scheduler/core/model.js'
import type { Dag } from '../../scheduler/dag/model.js'
import { triggerWords } from '../../scheduler/dag/trigger-words.js'
import type { TriggerSource } from '../../scheduler/store/trigger-store.js'
import { links } from './links.js'
import { timeLine } from './time.js'

/** What starts runs of a DAG besides time, and how each of it stands; empty when there is nothing. */
export function waitsForView(
  dag: Dag,
  sources: readonly TriggerSource[],
  pending: readonly Pick<TriggerEvent, 'kind' | 'source'>[],
  timezone: string,
  now: Instant,
) {
  return dag.triggers.map((trigger) => {
    const own = trigger.kind === 'webhook' ? [] : sources.filter(({ kind }) => kind === trigger.kind)
    return {
      words: triggerWords(trigger),
      post: trigger.kind === 'webhook' ? `/hooks/${dag.id}/${trigger.name}` : '',
      sources: own.map(({ kind, source, lookedAt, position, problem }) => {
        const waiting = pending.filter((event) => event.kind === kind && event.source === source).length
        return {
          name: source,
          href: kind === 'dag' ? links.dag(source) : kind === 'table' ? links.table(source) : '',
          seen: kind === 'table' ? versionSeen(position) : '',
          looked: lookedAt === null ? '' : timeLine(lookedAt, timezone, now, { seconds: true }),
          waiting: waiting === 0 ? '' : String(waiting),
          problem,
        }
      }),
    }
  })
}

function versionSeen(position: number | null): string {
  if (position === null) return 'not looked at yet'
  return position < 0 ? 'no table yet' : `version ${position}`
}
