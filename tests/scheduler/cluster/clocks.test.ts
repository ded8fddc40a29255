import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../scheduler/clock.js'
import { watchClock } from '../../../scheduler/cluster/clocks.js'
import type { Log } from '../../../scheduler/loop/ports.js'
import type { Database } from '../../../scheduler/store/database.js'

/** A machine, and a store whose clock is `behind` by so much and answers after `tookMs`, half of it on the way there. */
class Machine {
  time = 1_000_000
  behind = 0
  tookMs: number[] = []
  told: string[] = []
  #alarms: { at: number; ring: () => void }[] = []

  readonly clock: Clock = {
    now: () => this.time,
    at: (at, ring) => {
      const alarm = { at, ring }
      this.#alarms.push(alarm)
      return () => {
        this.#alarms = this.#alarms.filter((one) => one !== alarm)
      }
    },
  }

  readonly database: Pick<Database, 'query'> = {
    query: async <Row>() => {
      const took = this.tookMs.shift() ?? 2
      this.time += took / 2
      const at = this.time - this.behind
      this.time += took / 2
      return [{ at }] as Row[]
    },
  }

  readonly log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_fields, message) => void this.told.push(`warn: ${message}`),
    error: (_fields, message) => void this.told.push(`error: ${message}`),
  }

  watch(): Promise<() => void> {
    return watchClock(this.database, this.clock, this.log)
  }

  get alarms(): number {
    return this.#alarms.length
  }

  async pass(ms: number): Promise<void> {
    this.time += ms
    const due = this.#alarms.filter(({ at }) => at <= this.time)
    this.#alarms = this.#alarms.filter(({ at }) => at > this.time)
    for (const { ring } of due) ring()
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
}

describe('the clock of a part', () => {
  it.each([
    [10_500, 'ahead of'],
    [-31_000, 'behind'],
  ])('is refused when it is %i ms off that of the store', async (behind, way) => {
    const machine = new Machine()
    machine.behind = behind
    const message = expect.stringContaining(`${(Math.abs(behind) / 1000).toFixed(1)} s ${way} that of the store`)
    await expect(machine.watch()).rejects.toMatchObject({ code: 'CLOCK_OFF', message })
    expect(machine.alarms).toBe(0)
  })

  it('is told of when it is more than 2 s off, at the start and every five minutes', async () => {
    const machine = new Machine()
    const stop = await machine.watch()
    expect(machine.told).toEqual([])
    machine.behind = 3_000
    await machine.pass(5 * 60_000)
    expect(machine.told).toEqual([expect.stringMatching(/^warn: .* 3\.0 s ahead of that of the store/)])
    machine.behind = -20_000
    await machine.pass(5 * 60_000)
    expect(machine.told[1]).toMatch(/^error: .* 20\.0 s behind that of the store/)
    stop()
    expect(machine.alarms).toBe(0)
  })

  it('is not blamed for an answer that took long', async () => {
    const machine = new Machine()
    machine.tookMs = [30_000, 60_000, 40_000]
    machine.behind = 11_000
    await machine.watch()
    expect(machine.told).toEqual([])
    machine.tookMs = [30_000, 4, 40_000]
    await expect(machine.watch()).rejects.toMatchObject({ code: 'CLOCK_OFF' })
  })
})
