import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../../errors.js'
import type { Json } from '../../../json.js'
import type { EndContext, Operator, Weight } from '../../../operators/operator.js'
import { sql } from '../../../operators/sql.js'
import type { LeftWork, LeftWorkEnd } from '../../../scheduler/store/left-work-store.js'
import { endLeft } from '../../../scheduler/worker/end-left.js'
import { LeftWorkRounds } from '../../../scheduler/worker/left-work.js'
import type { LogStore } from '../../../scheduler/worker/log-store.js'
import type { LeftEnd, ToSlot } from '../../../scheduler/worker/protocol.js'
import type { SlotProcess } from '../../../scheduler/worker/slot-process.js'
import { SlotTables } from '../../../scheduler/worker/slot-tables.js'
import { dag, NOW, task } from '../core/dags.js'
import { ManualClock } from '../loop/bench.js'

const WORK: LeftWork = {
  ...{ runId: 'sales-1', taskId: 'a', attempt: 2, generation: 3, dagId: 'sales', version: 'v1' },
  ...{ handle: { query: 'q1' }, failures: 0 },
}
const ENDED: LeftEnd = { failure: null, said: [{ level: 'warn', message: 'Ending query q1.' }] }
const pinned = { dag: dag('sales', [task('a')]), task: task('a') }

/** A worker's rounds on a store and a slot that a test plays. */
function rounds(due: LeftWork[][], operator: Partial<Operator> = { end: async () => undefined }) {
  const clock = new ManualClock()
  const sent: Extract<ToSlot, { kind: 'end' }>[] = []
  const taken: Weight[] = []
  const released: string[] = []
  const settled: LeftWorkEnd[] = []
  const told: string[] = []
  const written: string[] = []
  const note = (_fields: object, message: string) => void told.push(message)
  const logs = {
    mend: async () => ({ lines: 4, bytes: 100 }),
    appender: () => ({
      append: async (text: string) => void written.push(text),
      ending: () => undefined,
      close: async () => undefined,
    }),
  }
  const slot = { send: (message: ToSlot) => void (message.kind === 'end' && sent.push(message)) }
  const self = new LeftWorkRounds({
    ...{ clock, log: { debug: note, info: note, warn: note, error: note }, logs: logs as unknown as LogStore },
    store: { dueLeftWork: async () => due.shift() ?? [], settleLeftWork: async (ends) => void settled.push(...ends) },
    pool: {
      take: (_token, weight) => {
        taken.push(weight)
        return slot as unknown as SlotProcess
      },
      release: (_slot, token) => void released.push(token),
    },
    preparation: { pinned: async () => pinned },
    operators: new Map([[pinned.task.operator, operator as Operator]]),
    queues: () => ['default'],
  })
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  return { self, clock, sent, taken, released, settled, told, written, turn }
}

const { runId, taskId, attempt } = WORK

describe('the rounds in which a worker ends what lost attempts have left outside', () => {
  it('give it to a slot, tell what that says in both logs, and forget it', async () => {
    const { self, sent, taken, released, settled, told, written, turn } = rounds([[WORK]])
    self.request()
    await turn()
    expect(sent).toMatchObject([{ kind: 'end', left: { work: WORK, task: { id: 'a' } } }])
    expect(taken).toEqual(['heavy'])
    self.heard(sent[0]?.token ?? '', ENDED)
    await turn()
    expect(settled).toEqual([{ runId, taskId, attempt, retryAt: null }])
    expect(released).toEqual([sent[0]?.token])
    expect(told).toEqual(['Ending query q1.'])
    expect(JSON.parse(written.join(''))).toMatchObject({ line: 5, level: 'warn', message: 'Ending query q1.' })
    await self.close()
  })

  it.each([
    [0, NOW + 10_000, 'is tried again'],
    [3, NOW + 1_800_000, 'is tried again'],
    [4, null, 'is not tried any more'],
  ])('try again what failed %i times before, later and later, and then no more', async (failures, retryAt, then) => {
    const { self, sent, settled, told, turn } = rounds([[{ ...WORK, failures }]])
    self.request()
    await turn()
    self.heard(sent[0]?.token ?? '', { failure: 'Trino does not answer.', said: [] })
    await turn()
    expect(settled).toEqual([{ runId, taskId, attempt, retryAt }])
    expect(told).toEqual([expect.stringContaining(`${then}: Trino does not answer.`)])
    await self.close()
  })

  it.each<[string, Partial<Operator>]>([
    ['of an operator that has nothing outside', {}],
    ['that tells of nothing outside', sql],
  ])('start no slot for a handle %s', async (_, operator) => {
    const found = { engine: 'duckdb', found: { 'lake.silver.sales': 3 } }
    const { self, taken, settled, turn } = rounds([[{ ...WORK, handle: found }]], operator)
    self.request()
    await turn()
    expect([taken, settled]).toEqual([[], [{ runId, taskId, attempt, retryAt: null }]])
    await self.close()
  })

  it('start one for a handle of Trino', async () => {
    const { self, taken, turn } = rounds([[{ ...WORK, handle: { engine: 'trino', published: [] } }]], sql)
    self.request()
    await turn()
    expect(taken).toEqual(['heavy'])
    await self.close()
  })

  it('forget what an attempt of the cleared task has ended itself', async () => {
    const { self, settled } = rounds([])
    await self.ended({ runId, taskId, attempt })
    expect(settled).toEqual([{ runId, taskId, attempt, retryAt: null }])
  })

  it('leave it to its lease when the slot dies, and go on', async () => {
    const { self, clock, sent, settled, released, turn } = rounds([[WORK], [WORK]])
    self.request()
    await turn()
    self.gone([sent[0]?.token ?? ''])
    await turn()
    expect([settled, released.length]).toEqual([[], 1])
    await clock.moveTo(NOW + 4_000, turn)
    expect(sent).toHaveLength(2)
    await self.close()
    expect(settled).toEqual([])
  })
})

describe('ending what was left outside', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-left-'))

  async function ending(end: Operator['end']): Promise<LeftEnd> {
    const operator = { type: 'bash', ...(end === undefined ? {} : { end }) } as Operator
    const around = {
      operators: new Map([['bash', operator]]),
      tables: new SlotTables(),
      env: { TOKEN: 'hunter22' },
      now: () => NOW,
      config: {
        ...{ project: folder, dags: folder, logs: { retentionMs: null }, work: folder, catalogs: {}, vars: {} },
        ...{
          cache: { location: folder, maxBytes: 1 },
          connections: { api: { type: 'http', key: '$' + '{env:TOKEN}' } },
        },
      },
    } as unknown as Parameters<typeof endLeft>[1]
    return endLeft({ work: WORK, ...pinned }, around)
  }

  it('calls the operator with the handle and the token of the generation, and masks what it says', async () => {
    const seen: [Json, string][] = []
    const end = await ending(async (handle, _config, ctx: EndContext) => {
      seen.push([handle, ctx.token])
      ctx.log('warn', `Ending it with ${String(ctx.connection('api').key)}.`)
      throw new SluiceError('UNREACHABLE', 'hunter22 was refused')
    })
    expect(seen).toEqual([[{ query: 'q1' }, `${pinned.dag.id}/sales-1/a/3`]])
    expect(JSON.stringify(end)).not.toContain('hunter22')
    expect(end).toMatchObject({ failure: expect.stringContaining('was refused'), said: [{ level: 'warn' }] })
  })

  it('has nothing to do where the operator has nothing outside', async () => {
    expect(await ending(undefined)).toEqual({ failure: null, said: [] })
    rmSync(folder, { recursive: true })
  })
})
