import type { NewRun, Store } from '../../scheduler/store/store.js'
import type { Host } from './host.js'

/** One call as the store executed it, in the order of execution. */
export type StoreCall = {
  [Method in keyof Store]: {
    method: Method
    args: Parameters<Store[Method]>
    result: Awaited<ReturnType<Store[Method]>>
    host: string
  }
}[keyof Store]

export type Observer = (call: StoreCall) => void

/** The store as seen from a host: every call is a request that may be slow or lost; what was executed is observed. */
export function remoteStore(store: Store, host: Host, observe: Observer): Store {
  return new Proxy(store, {
    get(target, method: keyof Store) {
      const execute: unknown = target[method]
      if (typeof execute !== 'function') return execute
      return (...args: unknown[]) =>
        host.request(method, async () => {
          const result: unknown = await execute.apply(target, args)
          observe({ method, args, result, host: host.name } as StoreCall)
          return result
        })
    },
  })
}

/** The runs that this call has made. A store without its guards gives a run another id when it was there already. */
export function createdRuns(call: StoreCall): NewRun[] {
  if (call.method === 'createRun') return call.result.outcome === 'created' ? [call.args[0]] : []
  if (call.method === 'advanceBackfill') {
    const created = call.result.outcome === 'advanced' ? call.result.created : []
    return call.args[2].runs.filter(({ id }) => created.some((made) => made.startsWith(id)))
  }
  if (call.method === 'fireTriggers') {
    return call.args[0].map(({ run }) => run).filter(({ id }) => call.result.some((made) => made.startsWith(id)))
  }
  if (call.method !== 'advanceDue') return []
  return call.args[0].flatMap(({ runs }, index) => {
    const answer = call.result[index]
    const created = answer?.outcome === 'advanced' ? answer.created : []
    return runs.filter(({ id }) => created.some((made) => made.startsWith(id)))
  })
}
