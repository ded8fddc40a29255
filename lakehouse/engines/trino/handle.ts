import { isSluiceError } from '../../../errors.js'
import type { Json } from '../../../json.js'

/** A query that was handed in to have an effect. */
export interface HandedIn {
  queryId: string
  /** where its first answer waits; who asks there starts it, and who deletes there makes sure that nobody can */
  start: string
  /**
   * where its next answer waits, as far as that was worth a save: whoever comes later can follow the query from there, which keeps
   * it alive. Without it Trino ends the query once nobody has asked for an answer for long (`query.client.timeout`)
   */
  next?: string
  /**
   * the `lastNumber` of the table when the write was planned, -1 for no table; absent when that was not to be had, or it is known not
   * to have committed
   */
  after?: number
  /** its commit lasts, whether or not anybody fetches its answers; told only beside `next` */
  lasts?: true
}

/** It makes a new Delta table, which Trino takes back when nobody fetches its answers: see `Publication.fetched`. */
export function makesTable({ next, lasts }: HandedIn): boolean {
  return next !== undefined && lasts !== true
}

/** Why a signal was aborted: another attempt has the claim, and with it what this one has handed in. */
export function isTakenOver(reason: unknown): boolean {
  return isSluiceError(reason, 'STATE_CONFLICT')
}

/** The list with what is known of a query now, in its place or at the end. */
export function remembered(list: readonly HandedIn[], query: HandedIn): HandedIn[] {
  const others = list.filter(({ queryId }) => queryId !== query.queryId)
  return [...others, query]
}

/** Queries of which none has committed and none will: what is expired from now on is no commit of theirs. */
export function withoutCommit(queries: readonly HandedIn[]): HandedIn[] {
  return queries.map(({ after: _, ...query }) => query)
}

/**
 * What an attempt remembers outside of Trino, saved before each statement that has an effect may run. The next attempt knows
 * from it which queries to look for, and which to end.
 */
export interface WorkHandle {
  engine: 'trino'
  /** queries that stage rows or only read: of use to nobody but the attempt that has handed them in */
  staging: HandedIn[]
  /** publishing queries, oldest first; at most one of them has committed */
  published: HandedIn[]
  /** the same for the quarantine table */
  quarantined: HandedIn[]
  /** plain statements, which run as they are */
  statements: HandedIn[]
  /** rows that were staged for the newest query; null when they were not counted */
  rows: number | null
  /** checks and reads of what the newest query publishes, see `keptFindings` */
  findings: Json
}

export const EMPTY_HANDLE: WorkHandle = {
  engine: 'trino',
  staging: [],
  published: [],
  quarantined: [],
  statements: [],
  rows: null,
  findings: null,
}

/** Reads a saved handle; null when another engine saved it, or none is there. */
export function parseHandle(json: Json): WorkHandle | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json) || json.engine !== 'trino') return null
  return {
    engine: 'trino',
    staging: queries(json.staging),
    published: queries(json.published),
    quarantined: queries(json.quarantined),
    statements: queries(json.statements),
    rows: typeof json.rows === 'number' ? json.rows : null,
    findings: json.findings ?? null,
  }
}

function queries(json: Json | undefined): HandedIn[] {
  return (Array.isArray(json) ? json : []).flatMap((entry) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? [
          {
            queryId: String(entry.queryId),
            start: String(entry.start),
            ...(typeof entry.next === 'string' ? { next: entry.next } : {}),
            ...(typeof entry.after === 'number' ? { after: entry.after } : {}),
            ...(entry.lasts === true ? { lasts: true as const } : {}),
          },
        ]
      : [],
  )
}

/** @returns the handle as it is saved */
export function handleJson({ engine, rows, findings, ...lists }: WorkHandle): Json {
  const plain = (list: HandedIn[]): Json =>
    list.map(({ queryId, start, next, after, lasts }) => ({
      ...{ queryId, start, ...(next === undefined ? {} : { next }) },
      ...(after === undefined ? {} : { after }),
      ...(lasts === true ? { lasts } : {}),
    }))
  const known = { engine, rows, ...(findings === null ? {} : { findings }) }
  return { ...known, ...Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, plain(list)])) }
}
