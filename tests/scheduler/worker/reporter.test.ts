import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../../errors.js'
import type { Clock } from '../../../scheduler/clock.js'
import type { ClaimedTask, ClaimStore } from '../../../scheduler/store/store.js'
import { Execution, NO_FACTS } from '../../../scheduler/worker/execution.js'
import { type Report, Reporter } from '../../../scheduler/worker/reporter.js'

/** Its alarms ring in the next turn, however far ahead they are set: pauses between tries take no time. */
const clock: Clock = {
  now: () => 5,
  at: (_, ring) => {
    const soon = setImmediate(ring)
    return () => clearImmediate(soon)
  },
}
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

function report(taskId: string): Report {
  const outcome = {
    taskId,
    attempt: 1,
    result: 'success',
    reason: '',
    retryable: true,
    outputs: { a: 1 },
    endedAt: 1,
  } as const
  return { runId: 'run', taskId, attempt: 1, claimToken: taskId, outcome, facts: NO_FACTS }
}

function reporter(recordOutcomes: ClaimStore['recordOutcomes']): { reporter: Reporter; recorded: Report[] } {
  const recorded: Report[] = []
  return { reporter: new Reporter({ recordOutcomes }, clock, silent, (reports) => recorded.push(...reports)), recorded }
}

/** As a store says it, of PostgreSQL's code or of Node's. */
function refusal(message: string, code: string): SluiceError {
  return new SluiceError('STORE_FAILED', message, { cause: Object.assign(new Error(message), { code }) })
}

/** Looks a thousand times at most; each look lets all that is pending go one step on. */
async function until(holds: () => boolean): Promise<void> {
  for (let looks = 0; looks < 1_000 && !holds(); looks += 1) await new Promise((resolve) => setImmediate(resolve))
  expect(holds()).toBe(true)
}

const taskOf = ({ taskId }: Report): string => taskId

describe('the reporter', () => {
  it('writes what comes together at once, and what comes meanwhile with the next write', async () => {
    const writes: string[][] = []
    let finish: () => void = () => undefined
    const { reporter: it, recorded } = reporter(async (outcomes) => {
      writes.push(outcomes.map(({ taskId }) => taskId))
      if (writes.length === 1) await new Promise<void>((resolve) => (finish = resolve))
      return outcomes.map(() => 'recorded')
    })
    it.report(report('a'))
    it.report(report('b'))
    await Promise.resolve()
    await Promise.resolve()
    for (const name of ['c', 'd', 'e']) it.report(report(name))
    expect(it.pending().map(({ taskId }) => taskId)).toEqual(['a', 'b', 'c', 'd', 'e'])
    finish()
    await it.idle()
    expect(writes).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
    ])
    expect(recorded.map(({ taskId }) => taskId)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(it.pending()).toEqual([])
  })

  it('tells of a write that has not answered where the store works in order', async () => {
    const told: string[] = []
    let answer: (answers: ('recorded' | 'lost_claim')[]) => void = () => undefined
    const recordOutcomes = () => {
      told.push('asked')
      return new Promise<('recorded' | 'lost_claim')[]>((resolve) => (answer = resolve))
    }
    const it = new Reporter(
      { recordOutcomes },
      clock,
      silent,
      (reports) => void told.push(...reports.map(taskOf)),
      true,
    )
    it.report(report('a'))
    await Promise.resolve()
    expect(told).toEqual(['asked', 'a'])
    answer(['lost_claim'])
    await it.idle()
    expect(told).toEqual(['asked', 'a'])
  })

  it('tells nobody of an outcome that the store refuses because the claim was lost', async () => {
    const { reporter: it, recorded } = reporter(async () => ['lost_claim', 'recorded'])
    it.report(report('a'))
    it.report(report('b'))
    await it.idle()
    expect(recorded.map(({ taskId }) => taskId)).toEqual(['b'])
  })

  it('lets one outcome that the store cannot take keep no other from being recorded', async () => {
    let poisoned = 0
    const { reporter: it, recorded } = reporter(async (outcomes) => {
      const poison = outcomes.some(({ taskId, outcome }) => taskId === 'poison' && outcome.result === 'success')
      if (poison) {
        poisoned += 1
        if (poisoned > 5 && recorded.length < 2) throw new Error('the good one still waits')
        throw new Error('invalid input syntax for type json')
      }
      return outcomes.map(() => 'recorded')
    })
    it.report(report('poison'))
    it.report(report('good'))
    await it.idle()
    expect(recorded.map(({ taskId, outcome: { result } }) => [taskId, result])).toEqual([
      ['good', 'success'],
      ['poison', 'failed'],
    ])
  })

  it.each([
    ['a server that refuses connections', 'ECONNREFUSED'],
    ['a connection that broke', ''],
    ['a socket that broke', 'EPIPE'],
    ['a server that starts', '57P03'],
    ['a server with too many clients', '53300'],
    ['a full disk', '53100'],
    ['a standby, which only reads', '25006'],
    ['a password that is being changed', '28P01'],
    ['a database that is being restored', '3D000'],
    ['a statement that took too long', '57014'],
  ])('records an outcome as it is, however long it met %s', async (what, code) => {
    let asked = 0
    const facts = { ...NO_FACTS, metrics: { rows: 1 } }
    const { reporter: it, recorded } = reporter(async (outcomes) => {
      asked += 1
      if (asked <= 100) throw refusal(what, code)
      return outcomes.map(() => 'recorded')
    })
    const told = { ...report('a'), facts }
    it.report(told)
    await it.idle()
    expect(asked).toBe(101)
    expect(recorded).toEqual([told])
  })

  it.each(['22P05', '21000', '23514', '54000'])('records plainly what the store refuses with %s', async (code) => {
    const { reporter: it, recorded } = reporter(async (outcomes) => {
      if (outcomes.some(({ outcome }) => Object.keys(outcome.outputs).length > 0)) throw refusal('refused', code)
      return outcomes.map(() => 'recorded')
    })
    it.report(report('a'))
    await it.idle()
    expect(recorded.map(({ outcome: { result, outputs } }) => [result, outputs])).toEqual([['failed', {}]])
  })

  it('records the others while one gets no answer for ever, and those that come later too', async () => {
    let silence = true
    const { reporter: it, recorded } = reporter(async (outcomes) => {
      if (silence && outcomes.some(({ taskId }) => taskId === 'unlucky')) throw refusal('too long', '57014')
      return outcomes.map(() => 'recorded')
    })
    for (const name of ['unlucky', 'a', 'b', 'c']) it.report(report(name))
    await until(() => recorded.length === 3)
    for (const name of ['d', 'e']) it.report(report(name))
    await until(() => recorded.length === 5)
    expect(recorded.map(taskOf)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(it.pending().map(({ taskId }) => taskId)).toEqual(['unlucky'])
    silence = false
    await it.idle()
    expect(recorded.at(-1)).toMatchObject({ taskId: 'unlucky', outcome: { result: 'success', outputs: { a: 1 } } })
  })

  it('gives up at its end once the bound has passed, says what is left, and asks no more', async () => {
    let asked = 0
    let silence: () => void = () => undefined
    const answered = new Promise<void>((resolve) => (silence = resolve))
    const { reporter: it } = reporter(async () => {
      asked += 1
      if (asked > 3) await answered
      throw new Error('the store is away')
    })
    it.report(report('a'))
    it.report(report('b'))
    expect((await it.close(50)).map(({ taskId }) => taskId).sort()).toEqual(['a', 'b'])
    silence()
    await it.idle()
    expect(asked).toBe(4)
  })

  it('waits at its end for a write that answers within the bound', async () => {
    let answer: () => void = () => undefined
    const { reporter: it, recorded } = reporter(async (outcomes) => {
      await new Promise<void>((resolve) => (answer = resolve))
      return outcomes.map(() => 'recorded')
    })
    it.report(report('a'))
    const closed = it.close(60_000)
    await Promise.resolve()
    await Promise.resolve()
    answer()
    expect(await closed).toEqual([])
    expect(recorded).toHaveLength(1)
  })
})

describe('an execution', () => {
  const claim = { taskId: 'a', attempt: 1, claimedAt: 100 } as ClaimedTask
  const end = { result: 'success', reason: '', retryable: true, outputs: {} } as const

  it('began when its claim was in hand, which is after what freed its place has ended', () => {
    expect(new Execution(claim, 105).outcome(end, 200)).toMatchObject({ startedAt: 105, endedAt: 200 })
  })

  it('began no earlier than its claim says, and ended no earlier than that', () => {
    expect(new Execution(claim, 95).outcome(end, 98)).toMatchObject({ startedAt: 100, endedAt: 100 })
  })
})
