import type { Schedule } from '../../scheduler/dag/model.js'
import * as timetable from '../../scheduler/dag/schedule.js'
import type { Timetable } from '../../scheduler/loop/ports.js'
import type { Store } from '../../scheduler/store/store.js'
import type { StoreGuard } from './memory-store/index.js'

const GUARDS_OUTSIDE = [
  'commit_token',
  'conflict',
  'sweep',
  'calendar',
  'silence_key',
  'problems_seen',
  'one_registrar',
  'past_wake',
] as const

/** What can be taken away: promises of the store, and others. */
export type Guard = StoreGuard | (typeof GUARDS_OUTSIDE)[number]

export function isStoreGuard(guard: Guard): guard is StoreGuard {
  return !(GUARDS_OUTSIDE as readonly string[]).includes(guard)
}

/** A timetable that looks at no calendar. */
export const EVERY_DAY: Timetable = {
  nextDue: (schedule, after) => timetable.nextDue(withEveryDay(schedule), after),
  previousDue: (schedule, at) => timetable.previousDue(withEveryDay(schedule), at),
  intervalOf: (schedule, dueAt) => timetable.intervalOf(withEveryDay(schedule), dueAt),
}

function withEveryDay(schedule: Schedule): Schedule {
  return { ...schedule, skip: [], businessDays: false }
}

/** A scheduler that tells of a silence by the instant at which it looks. */
export function withoutSilenceKey(store: Store): Store {
  return {
    ...store,
    raiseAlerts: (events, now) =>
      store.raiseAlerts(
        events.map((event) => ({ ...event, key: `${event.key} ${now}` })),
        now,
      ),
  }
}

/** A scheduler that takes a refused decision for a written one. */
export function neverConflicting(store: Store): Store {
  return {
    ...store,
    applyDecision: async (...args) => {
      await store.applyDecision(...args)
      return 'applied'
    },
  }
}

/** A scheduler that compares the problems of a reading with those that were registered when it looked. */
export function comparingWhatItSaw(store: Store): Store {
  let seen = new Set<string>()
  return {
    ...store,
    dags: async () => {
      const dags = await store.dags()
      seen = new Set((await store.problems()).map(({ file }) => file))
      return dags
    },
    registerDags: (input, now) => {
      const alerts = (input.alerts ?? []).filter(({ subject }) => !seen.has(subject))
      return store.registerDags({ ...input, alerts }, now)
    },
  }
}

/** Schedulers that are all killed before they wake the run that comes after one that has moved. */
export function neverWakingNext(store: Store): Store {
  return { ...store, nextRun: async () => null }
}
