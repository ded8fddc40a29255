import { describe, expect, it } from 'vitest'
import type { Instant } from '../../../json.js'
import type { Clock } from '../../../scheduler/clock.js'
import { Alarms } from '../../../scheduler/loop/alarms.js'

const HOUR = 3_600_000

/** As the machine's: timers count what passes, while people and daemons set what `now` says. */
class SetClock implements Clock {
  /** what has passed */
  #passed = 0
  #wall: Instant = 1_000_000_000_000
  #timers: { at: number; ring: () => void }[] = []

  now(): Instant {
    return this.#wall
  }

  at(at: Instant, ring: () => void): () => void {
    const timer = { at: this.#passed + Math.max(0, at - this.#wall), ring }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** somebody sets it */
  step(byMs: number): void {
    this.#wall += byMs
  }

  pass(ms: number): void {
    const until = this.#passed + ms
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#wall += next.at - this.#passed
      this.#passed = next.at
      next.ring()
    }
    this.#wall += until - this.#passed
    this.#passed = until
  }
}

function ringing(): { clock: SetClock; alarms: Alarms; rung: () => string[] } {
  const clock = new SetClock()
  const rung: string[] = []
  const alarms = new Alarms(clock, (name) => rung.push(name))
  return { clock, alarms, rung: () => rung.splice(0) }
}

describe('alarms', () => {
  it('ring at their instants, and one that is moved or taken away does not', () => {
    const { clock, alarms, rung } = ringing()
    alarms.set('far', clock.now() + HOUR)
    alarms.set('near', clock.now() + 1_000)
    alarms.set('moved', clock.now() + 500)
    alarms.set('moved', clock.now() + 20_000)
    alarms.set('gone', clock.now() + 500)
    alarms.set('gone', null)
    clock.pass(999)
    expect(rung()).toEqual([])
    clock.pass(1)
    expect(rung()).toEqual(['near'])
    clock.pass(19_000)
    expect(rung()).toEqual(['moved'])
    clock.pass(HOUR - 20_001)
    expect(rung()).toEqual([])
    clock.pass(1)
    expect(rung()).toEqual(['far'])
  })

  it('ring within 5 s when the clock is set back, and not once more for it', () => {
    const { clock, alarms, rung } = ringing()
    alarms.set('sweep', clock.now() + 5_000)
    alarms.set('tick', clock.now() + 2 * HOUR)
    clock.pass(1_000)
    clock.step(-HOUR)
    clock.pass(5_000)
    expect(rung()).toEqual(['sweep', 'tick'])
    alarms.set('tick', clock.now() + 10_000)
    clock.pass(9_999)
    expect(rung()).toEqual([])
    clock.pass(1)
    expect(rung()).toEqual(['tick'])
  })

  it('ring when the clock is set back and another alarm is set before anything is due', () => {
    const { clock, alarms, rung } = ringing()
    alarms.set('sweep', clock.now() + 5_000)
    clock.pass(1_000)
    clock.step(-HOUR)
    alarms.set('run', clock.now() + 2_000)
    clock.pass(5_000)
    expect(rung().sort()).toEqual(['run', 'sweep'])
  })

  it('ring within 5 s of a clock that is set forward over their instants', () => {
    const { clock, alarms, rung } = ringing()
    alarms.set('tick', clock.now() + HOUR)
    clock.pass(1_000)
    clock.step(HOUR)
    clock.pass(5_000)
    expect(rung()).toEqual(['tick'])
  })
})
