import type { Dag } from '../scheduler/dag/model.js'
import type { WebDeps } from './deps.js'
import type { Views } from './views.js'

/** Versions never change, so they may be kept; this many cover what people look at. */
const VERSION_LIMIT = 64

/** What the handlers share. */
export interface Web {
  deps: WebDeps
  views: Views
  dagVersion(version: string): Promise<Dag>
}

/** What all handlers share, with the versions of DAGs that were asked for last kept at hand. */
export function createWeb(deps: WebDeps, views: Views): Web {
  const known = new Map<string, Dag>()
  return {
    deps,
    views,
    async dagVersion(version) {
      const found = known.get(version) ?? (await deps.store.dagVersion(version))
      if (found === null) throw new Error(`the store has no version ${version}`)
      known.delete(version)
      known.set(version, found)
      const oldest = known.keys().next()
      if (known.size > VERSION_LIMIT && !oldest.done) known.delete(oldest.value)
      return found
    },
  }
}
