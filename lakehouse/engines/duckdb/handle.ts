import { isObject, type Json, type JsonObject } from '../../../json.js'
import type { Table } from '../../catalogs.js'
import type { OutsideWork } from '../../lakehouse.js'

/**
 * What a write leaves behind before its commits to tables that may forget their tokens: the last number that each table has given
 * to a commit by then. The next attempt can tell by it whether a commit may have been forgotten in the meantime.
 */
export class FoundNumbers {
  private readonly earlier: JsonObject
  private readonly own: Record<string, number> = {}

  /** @param outside where the handle is kept; without it nothing is */
  constructor(private readonly outside: OutsideWork | undefined) {
    this.earlier = numbersIn(outside?.earlier ?? null)
  }

  /** The number that an earlier attempt found before it was to commit, -1 for no table; null when none was about to. */
  before({ label }: Table): number | null {
    const number = this.earlier[label]
    return typeof number === 'number' ? number : null
  }

  /**
   * Returns once it is durable that this attempt is about to commit. A number below the last one is that of a table made anew.
   * @throws when the attempt has lost its claim and must not go on
   */
  async keep({ label, keepsTokens }: Table, number: number): Promise<void> {
    if (keepsTokens || this.outside === undefined) return
    const kept = this.own[label]
    if (kept !== undefined && number >= kept) return
    this.own[label] = number
    await this.outside.save({ engine: 'duckdb', found: { ...this.earlier, ...this.own } })
  }
}

/** Nothing from the handle of another engine. */
function numbersIn(handle: Json): JsonObject {
  if (!isObject(handle) || handle.engine !== 'duckdb') return {}
  return isObject(handle.found) ? (handle.found as JsonObject) : {}
}
