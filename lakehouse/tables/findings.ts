import { isObject, type Json, type JsonObject } from '../../json.js'
import type { CheckResult, QueryResult } from '../lakehouse.js'

/** What a write has found out on its way to the commit. */
export interface Findings {
  checks: CheckResult[]
  reads: QueryResult['reads']
}

/** Every reader of the table carries a commit's words about itself, so they stay short. */
const MAX_BYTES = 8 * 1024
const MAX_TEXT = 200

/**
 * Findings as they are kept with a commit, so that they outlive an attempt that dies before it reports: at most 8 kB, no samples of
 * rows. When that is too little, checks that failed go first, then reads, then checks that passed; a check that does not fit whole
 * is kept without its figures.
 */
export function keptFindings({ checks, reads }: Findings): JsonObject {
  const room = new Room(MAX_BYTES)
  const keep = (wanted: (check: CheckResult) => boolean): [number, JsonObject][] =>
    checks.flatMap((check, place): [number, JsonObject][] => {
      if (!wanted(check)) return []
      const fits = [whole(check), short(check)].find((one) => room.take(one))
      return fits === undefined ? [] : [[place, fits]]
    })
  const failed = keep(({ passed }) => !passed)
  const keptReads = reads.filter((read) => room.take({ ...read })).map((read) => ({ ...read }))
  const kept = [...failed, ...keep(({ passed }) => passed)].sort(([a], [b]) => a - b).map(([, check]) => check)
  const leftOut = checks.length + reads.length - kept.length - keptReads.length
  return { checks: kept, reads: keptReads, ...(leftOut > 0 ? { leftOut } : {}) }
}

/**
 * What a commit has kept; nothing of what is not in the form, as others may write to the place too.
 * @returns `leftOut`: how many checks and reads there were besides
 */
export function readFindings(json: Json | undefined): Findings & { leftOut: number } {
  const { checks, reads, leftOut } = isObject(json) ? json : {}
  return {
    checks: (Array.isArray(checks) ? checks : []).flatMap(readCheck),
    reads: (Array.isArray(reads) ? reads : []).flatMap(readRead),
    leftOut: count(leftOut) ?? 0,
  }
}

class Room {
  constructor(private left: number) {}

  take(value: JsonObject): boolean {
    const bytes = Buffer.byteLength(JSON.stringify(value)) + 1
    if (bytes > this.left) return false
    this.left -= bytes
    return true
  }
}

function whole({ sample: _rows, ...check }: CheckResult): JsonObject {
  return check
}

function short(check: CheckResult): JsonObject {
  const { kind, table, severity, passed, failingRows } = check
  const message = `${cut(check.message)} (figures too long to keep with the commit)`
  return { name: cut(check.name), kind, table, severity, passed, failingRows, measured: {}, message }
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}

function readCheck(json: unknown): CheckResult[] {
  if (!isObject(json)) return []
  const { name, kind, table, severity, passed, measured, message } = json
  const failingRows = count(json.failingRows)
  if (typeof name !== 'string' || typeof kind !== 'string' || typeof table !== 'string') return []
  if ((severity !== 'error' && severity !== 'warn') || typeof passed !== 'boolean' || failingRows === null) return []
  if (typeof message !== 'string' || !isObject(measured)) return []
  const figures = measured as JsonObject
  return [{ name, kind, table, severity, passed, failingRows, measured: figures, sample: [], message }]
}

function readRead(json: unknown): QueryResult['reads'] {
  if (!isObject(json)) return []
  const { table } = json
  const version = count(json.version)
  return typeof table !== 'string' || version === null ? [] : [{ table, version, rows: count(json.rows) }]
}

function count(value: unknown): number | null {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : null
}
