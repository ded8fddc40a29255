import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../../errors.js'
import type { JsonObject } from '../../../json.js'
import { operators } from '../../../operators/index.js'
import type { Operator, Weight } from '../../../operators/operator.js'
import type { Look } from '../../../operators/wait.js'
import type { DueLook, LookResult, WaitStore } from '../../../scheduler/store/wait-store.js'
import { lookAtAll } from '../../../scheduler/worker/look-at.js'
import { Looks } from '../../../scheduler/worker/looks.js'
import { MASK } from '../../../scheduler/worker/masking.js'
import type { ToSlot } from '../../../scheduler/worker/protocol.js'
import type { SlotProcess } from '../../../scheduler/worker/slot-process.js'
import { SlotTables } from '../../../scheduler/worker/slot-tables.js'
import { NOW } from '../core/dags.js'
import { ManualClock } from '../loop/bench.js'

const due = (key: string, condition: JsonObject = {}): DueLook => {
  return { key, condition: { operator: 'sees', condition, folder: 'dags' }, seen: { times: 1 } }
}

/** A worker's looks on a store and a slot that a test plays. */
function watching(looks: DueLook[][], next: number | null = null, weight: Weight = 'light') {
  const clock = new ManualClock()
  const sent: Extract<ToSlot, { kind: 'look' }>[] = []
  const released: string[] = []
  const asked: Parameters<WaitStore['dueLooks']>[1][] = []
  const taken: Weight[] = []
  const recorded: LookResult[][] = []
  const woken: string[] = []
  const errors: string[] = []
  const slot = { send: (message: ToSlot) => void (message.kind === 'look' && sent.push(message)) }
  const store: Pick<WaitStore, 'dueLooks' | 'nextLookAt' | 'recordLooks'> = {
    dueLooks: async (_queues, options) => {
      asked.push(options)
      return looks.shift() ?? []
    },
    nextLookAt: async () => next,
    recordLooks: async (results) => {
      recorded.push([...results])
      return ['sales-1']
    },
  }
  const note = (_fields: object, message: string) => void errors.push(message)
  const self = new Looks({
    ...{ store, clock, log: { debug: note, info: note, warn: note, error: note } },
    pool: {
      take: (_token, taking) => {
        taken.push(taking)
        return slot as unknown as SlotProcess
      },
      release: (_slot, token) => void released.push(token),
    },
    weight,
    queues: () => ['default'],
    woken: (runs) => void woken.push(...runs),
  })
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  return { self, clock, sent, released, recorded, woken, errors, turn, asked, taken }
}

const seen = (key: string): LookResult => ({ key, met: null, seen: {}, detail: 'not yet' })

describe('the looks of a worker', () => {
  it('go to a slot in one message, and what it says into the store', async () => {
    const { self, sent, released, recorded, woken, turn } = watching([[due('a'), due('b')]])
    self.request()
    await turn()
    expect(sent).toMatchObject([{ kind: 'look', looks: [{ key: 'a' }, { key: 'b' }] }])
    self.heard(sent[0]?.token ?? '', [seen('a'), seen('b')])
    await turn()
    expect(recorded).toEqual([[seen('a'), seen('b')]])
    expect([released, woken]).toEqual([[sent[0]?.token], ['sales-1']])
    await self.close()
  })

  it('are left to the lease when the slot dies or says nothing, and go on', async () => {
    const { self, clock, sent, released, recorded, turn } = watching([[due('a')], [due('a')], [due('a')]])
    self.request()
    await turn()
    self.gone([sent[0]?.token ?? ''])
    await turn()
    expect([released.length, recorded.length]).toEqual([1, 0])
    await clock.moveTo(NOW + 2_000, turn)
    expect(sent).toHaveLength(2)
    await clock.moveTo(NOW + 77_000, turn)
    expect(released).toHaveLength(2)
    await self.close()
  })

  it('are made when they are due, and seldom asked for otherwise', async () => {
    const { self, clock, sent, turn } = watching([[], [due('a')]], NOW + 700)
    self.request()
    await turn()
    await clock.moveTo(NOW + 699, turn)
    expect(sent).toHaveLength(0)
    await clock.moveTo(NOW + 700, turn)
    expect(sent).toHaveLength(1)
    await self.close()
    expect(clock.armed).toBeLessThan(2)
  })

  it('are one round a second when one after the other becomes due', async () => {
    const { self, clock, sent, turn } = watching([[due('a')], [due('b'), due('c')]], NOW + 1)
    self.request()
    await turn()
    self.heard(sent[0]?.token ?? '', [seen('a')])
    await turn()
    await clock.moveTo(NOW + 999, turn)
    expect(sent).toHaveLength(1)
    await clock.moveTo(NOW + 1_000, turn)
    expect(sent[1]?.looks.map(({ key }) => key)).toEqual(['b', 'c'])
    await self.close()
  })
})

describe('looks that need an engine', () => {
  it('are made one after the other, in one process however many wait', async () => {
    const keys = [0, 1, 2, 3, 4].map((index) => `query ${index}`)
    const waiting = keys.map((key) => [due(key)])
    const { self, sent, released, recorded, turn, asked, taken } = watching(waiting, null, 'heavy')
    self.request()
    for (let made = 1; made <= 5; made += 1) {
      await turn()
      expect(sent).toHaveLength(made)
      expect(released).toHaveLength(made - 1)
      const [look] = sent[made - 1]?.looks ?? []
      self.heard(sent[made - 1]?.token ?? '', [seen(look?.key ?? '')])
    }
    await turn()
    expect(taken).toEqual(Array(5).fill('heavy'))
    expect(asked[0]).toMatchObject({ limit: 1, weight: 'heavy' })
    expect(recorded.flat().map(({ key }) => key)).toEqual(keys)
    await self.close()
  })
})

describe('what a slot looks at', () => {
  const sees = (look: Operator['look']): Operator =>
    ({
      type: 'sees',
      summary: '',
      docs: '',
      schema: {},
      weight: 'light',
      writesTable: false,
      look,
    }) as unknown as Operator
  const at = (look: NonNullable<Operator['look']>, looks = [due('a')]) =>
    lookAtAll(looks, {
      config: {
        ...{ project: '/p', dags: '/p/dags', work: '/p/work', catalogs: {}, vars: {} },
        logs: { location: '/p/logs' },
        cache: { size: 0 },
        connections: { crm: { type: 'http', token: `\${env:TOKEN}` } },
      } as never,
      operators: new Map([['sees', sees(look)]]),
      tables: new SlotTables(),
      env: { TOKEN: 's3cr3t-token' },
      now: () => NOW,
    })

  it('is told what was seen last and where paths start, and says what it saw', async () => {
    const look = async (condition: JsonObject, before: JsonObject, ctx: { dag: { folder: string } }): Promise<Look> => {
      return { met: null, seen: { ...condition, before, folder: ctx.dag.folder }, detail: 'not yet' }
    }
    expect(await at(look, [due('a', { file: 'x' })])).toEqual([
      { key: 'a', met: null, seen: { file: 'x', before: { times: 1 }, folder: '/p/dags' }, detail: 'not yet' },
    ])
  })

  it('fails for itself: what may pass is told, what cannot ends the wait, and no secret leaves', async () => {
    const results = await at(
      async ({ how }, _seen, ctx) => {
        const token = String(ctx.connection('crm').token)
        if (how === 'passes') throw new SluiceError('UNREACHABLE', `refused ${token}`)
        if (how === 'stays') throw new SluiceError('PATH_OUTSIDE', 'leads outside', { retryable: false })
        return { met: { answer: token } }
      },
      [due('a', { how: 'passes' }), due('b', { how: 'stays' }), due('c')],
    )
    expect(results).toEqual([
      { key: 'a', met: null, seen: { times: 1 }, detail: `the last look failed: refused ${MASK}` },
      { key: 'b', met: { failed: 'leads outside' }, seen: { times: 1 }, detail: 'leads outside' },
      { key: 'c', met: { answer: MASK }, seen: { times: 1 }, detail: '' },
    ])
  })

  it('asks a query of its engine, by the connection that the wait names', async () => {
    const project = mkdtempSync(join(tmpdir(), 'sluice-looks-'))
    const query = (sql: string, more: JsonObject = {}): DueLook => ({
      key: sql,
      condition: { operator: 'wait_for', condition: { sql, ...more }, folder: 'dags', weight: 'heavy' },
      seen: {},
    })
    const looks = [query('SELECT 2 > 1 AS ok'), query('SELECT 0'), query('SELECT 1 FROM bronze.x'), query('SELEC 1')]
    try {
      const results = await lookAtAll([...looks, query('SELECT 1', { connection: 'crm' })], {
        config: {
          ...{
            project,
            dags: project,
            work: project,
            vars: {},
            cache: { folder: join(project, 'cache'), maxBytes: 1e9 },
          },
          catalogs: { lake: { format: 'delta', location: './lake' } },
          connections: { lakehouse: { type: 'duckdb' }, crm: { type: 'http' } },
        } as never,
        ...{ operators, tables: new SlotTables(), env: {}, now: () => NOW },
      })
      expect(results.map(({ met, detail }) => [met, detail])).toEqual([
        [{ value: true }, ''],
        [null, 'the query gives 0'],
        [null, expect.stringContaining('bronze.x')],
        [{ failed: expect.stringContaining('SELEC') }, expect.any(String)],
        [{ failed: expect.stringContaining('crm') }, expect.any(String)],
      ])
    } finally {
      rmSync(project, { recursive: true })
    }
  })
})
