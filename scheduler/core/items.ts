import type { Instant, Json, JsonObject } from '../../json.js'
import type { ForEach, Task } from '../dag/model.js'
import type { RunDraft } from './draft.js'
import type { ItemsAside, TaskRun } from './model.js'
import { named, withWhy } from './reasons.js'
import { isFinal } from './states.js'

/**
 * Tasks with `for_each`. Such a task is a group: its own row runs nothing, holds no slot and is `deferred` while its items
 * (`load.0`, `load.1`, …) run as tasks of their own, each with its attempts, retries and commit token. When all items have
 * ended the group takes the state they give it, and what needs the task follows that.
 */

/**
 * More items than this are refused, when the file is checked or when the run comes to them: a list that long is a query to
 * be written, not tasks to be run.
 */
export const MOST_ITEMS = 10_000
/** Outputs of all items together, as JSON. */
const MOST_OUTPUT_CHARACTERS = 4_000_000
export const NOTHING_ASIDE: ItemsAside = { ended: 0, failed: 0, waiting: 0 }

/** `load.17`: ids of tasks have no dot, so an item is told by one. */
export function itemId(taskId: string, index: number): string {
  return `${taskId}.${index}`
}

/** The declared task that a row belongs to: itself, or the group of an item. */
export function declaredId(taskId: string): string {
  const dot = taskId.indexOf('.')
  return dot === -1 ? taskId : taskId.slice(0, dot)
}

/** Whether the row is an item of a `for_each`, as opposed to a task that the DAG declares. */
export function isItem(taskId: string): boolean {
  return taskId.includes('.')
}

/** The place of an item in the list of its group, from 0: 17 for `load.17`. Only for ids that are an item's. */
export function itemIndex(taskId: string): number {
  return Number(taskId.slice(taskId.indexOf('.') + 1))
}

/** Makes the items of a group whose time has come, or ends it when there is nothing to make. */
export function expand(draft: RunDraft, task: Task, forEach: ForEach, now: Instant): void {
  if (!removable(draft, task)) return
  const found = valuesOf(draft, forEach)
  if ('failure' in found || found.values.length === 0) {
    const reason = 'failure' in found ? `for_each: ${found.failure}` : 'for_each: the list is empty'
    draft.expand(task.id, [], '')
    draft.set(task.id, { state: 'failure' in found ? 'failed' : 'skipped', notBefore: null, endedAt: now, reason })
    return
  }
  draft.expand(task.id, found.values, waitsForTurn(forEach))
  draft.set(task.id, { state: 'deferred', notBefore: null, startedAt: now, endedAt: null, reason: '' })
}

/** Takes away what is left of an earlier generation from a group that will not run; false while some of it still stops. */
export function removeItems(draft: RunDraft, task: Task): boolean {
  if (!removable(draft, task)) return false
  draft.expand(task.id, [], '')
  return true
}

function removable(draft: RunDraft, task: Task): boolean {
  const rests = draft.items(task.id).every(({ state }) => state === 'none' || isFinal(state))
  if (!rests) draft.set(task.id, { state: 'none', reason: 'waits for items of an earlier generation to stop' })
  return rests
}

function valuesOf(draft: RunDraft, { source }: ForEach): { values: readonly Json[] } | { failure: string } {
  const value = sourceValue(draft, source)
  const name = source.kind === 'list' ? 'the list' : `\`${nameOf(source)}\``
  if (value === undefined) return { failure: `${name} is not there` }
  if (!Array.isArray(value)) return { failure: `${name} is no list` }
  if (value.length <= MOST_ITEMS) return { values: value }
  return { failure: `${name} has ${value.length} items, more than ${MOST_ITEMS}` }
}

function sourceValue(draft: RunDraft, source: ForEach['source']): Json | undefined {
  if (source.kind === 'list') return source.values
  if (source.kind === 'param') return draft.run.params[source.name]
  return draft.task(source.task)?.outputs[source.name]
}

function nameOf(source: Exclude<ForEach['source'], { kind: 'list' }>): string {
  return source.kind === 'param' ? `params.${source.name}` : `tasks.${source.task}.outputs.${source.name}`
}

/**
 * Items that are scheduled, queued or running at once, whatever `concurrency` allows: enough that none of the DAG's
 * places stays empty, and few, as what is `scheduled` is looked at whenever a place is free.
 */
function windowOf(draft: RunDraft): number {
  return 2 * draft.dag.maxActiveTasks
}

function waitsForTurn({ concurrency }: ForEach): string {
  return concurrency === null ? 'waits for its turn' : `waits for its turn, ${concurrency} items at once`
}

const IN_WINDOW: readonly TaskRun['state'][] = ['scheduled', 'queued', 'running']

/** Lets items have their turn, as many at once as `concurrency` and the window allow; then the group, once all have ended. */
export function advanceItems(draft: RunDraft, task: Task, forEach: ForEach, now: Instant, ready: string): void {
  if (draft.task(task.id)?.state !== 'deferred') return
  const items = draft.shownItems(task.id)
  let room = roomFor(items, forEach, windowOf(draft))
  for (const item of items) {
    if (item.state === 'deferred' && isDue(item, now)) {
      // it has kept its turn
      draft.set(item.taskId, { state: 'scheduled', notBefore: null, reason: ready })
      continue
    }
    const isRetry = item.state === 'up_for_retry' && (item.notBefore ?? now) <= now
    if (item.state !== 'none' && !isRetry) continue
    if (room > 0) draft.set(item.taskId, { state: 'scheduled', notBefore: null, reason: ready })
    else draft.set(item.taskId, { state: 'none', notBefore: null, reason: waitsForTurn(forEach) })
    room -= 1
  }
  if (room > 0 && (draft.aside(task.id)?.waiting ?? 0) > 0) draft.wantItems()
  settleGroup(draft, task, now)
}

/** How many more items may have their turn. One that is deferred has kept its turn, but holds no place in the window. */
function roomFor(items: readonly TaskRun[], { concurrency }: ForEach, window: number): number {
  let inWindow = 0
  let deferred = 0
  for (const { state } of items) {
    if (IN_WINDOW.includes(state)) inWindow += 1
    else if (state === 'deferred') deferred += 1
  }
  return Math.min(window - inWindow, (concurrency ?? MOST_ITEMS) - inWindow - deferred)
}

/** True once a deferred task is to go on; one that waits for an event alone is due when the event makes it so. */
export function isDue({ notBefore }: TaskRun, now: Instant): boolean {
  return notBefore !== null && notBefore <= now
}

/** The state that the items of an open group give it. */
export function settleGroup(draft: RunDraft, task: Task, now: Instant): void {
  const group = draft.task(task.id)
  if (group?.state !== 'deferred') return
  const shown = draft.shownItems(task.id)
  const aside = draft.aside(task.id) ?? NOTHING_ASIDE
  const bad = shown.filter(({ state }) => state === 'failed' || state === 'cancelled')
  const ended = shown.filter(({ state }) => isFinal(state)).length + aside.ended
  const all = shown.length + aside.ended + aside.waiting
  if (ended < all) {
    const failed = bad.length + aside.failed === 0 ? '' : `, ${bad.length + aside.failed} failed`
    const reason = `${ended} of ${all} items have ended${failed}`
    draft.set(task.id, { reason: group.cancelRequested ? group.reason : reason })
    return
  }
  const items = draft.items(task.id)
  draft.set(task.id, { notBefore: null, endedAt: now, cancelRequested: false, ...endOfGroup(group, items, bad) })
}

function endOfGroup(group: TaskRun, items: readonly TaskRun[], bad: readonly TaskRun[]) {
  if (group.cancelRequested && bad.some(({ state }) => state === 'cancelled')) {
    return { state: 'cancelled', reason: group.reason } as const
  }
  if (bad.length > 0) {
    const which = `${bad.length} of ${items.length} items failed (${named(bad.map(({ taskId }) => taskId))})`
    return { state: 'failed', reason: withWhy(which, bad[0]?.reason ?? '') } as const
  }
  const done = items.filter(({ state }) => state === 'success').length
  if (done === 0) return { state: 'skipped', reason: `all ${items.length} items were skipped` } as const
  const outputs = collected(items)
  if (JSON.stringify(outputs).length > MOST_OUTPUT_CHARACTERS) {
    const reason = `the outputs of all items are larger than ${MOST_OUTPUT_CHARACTERS} characters: give out less per item`
    return { state: 'failed', reason } as const
  }
  const all = `${items.length} item${items.length === 1 ? '' : 's'}`
  const reason = done === items.length ? all : `${all}, ${items.length - done} of them skipped`
  return { state: 'success', outputs, reason } as const
}

/** Of each output the values of all items, in their order; null where an item has none. */
function collected(items: readonly TaskRun[]): JsonObject {
  const names = new Set(items.flatMap(({ outputs }) => Object.keys(outputs)))
  return Object.fromEntries([...names].map((name) => [name, items.map(({ outputs }) => outputs[name] ?? null)]))
}

/** After an item was changed by hand its group counts anew. */
export function reopenGroup(draft: RunDraft, taskId: string): void {
  const group = draft.task(declaredId(taskId))
  if (!isItem(taskId) || group === undefined || !isFinal(group.state)) return
  draft.set(group.taskId, {
    state: 'deferred',
    endedAt: null,
    cancelRequested: false,
    reason: 'an item was changed by hand',
  })
}
