import { describe, expect, it } from 'vitest'
import { Upkeep } from '../../../scheduler/store/pglite-upkeep.js'

/** An upkeep of three tables whose vacuum takes `ms` each. */
function upkeep(ms: number, fails: () => boolean = () => false) {
  const vacuumed: string[] = []
  let clock = 0
  const subject = new Upkeep(
    {
      tables: async () => ['a', 'b', 'c'],
      vacuum: async (table) => {
        clock += ms
        if (fails()) throw new Error('disk full')
        vacuumed.push(table)
      },
    },
    () => clock,
  )
  const requests = async (count: number) => {
    for (let request = 0; request < count; request++) await subject.requestDone(1)
  }
  return { vacuumed, requests, subject }
}

describe('upkeep', () => {
  it('vacuums each table once, one between two requests', async () => {
    const { vacuumed, requests } = upkeep(1)
    await requests(999)
    expect(vacuumed).toEqual([])
    await requests(1)
    expect(vacuumed).toHaveLength(1)
    await requests(2)
    expect([...vacuumed].sort()).toEqual(['a', 'b', 'c'])
    await requests(1_000)
    expect(vacuumed).toHaveLength(3)
  })

  it('counts work, not requests', async () => {
    const { vacuumed, subject } = upkeep(1)
    await subject.requestDone(500)
    await subject.requestDone(499)
    expect(vacuumed).toEqual([])
    await subject.requestDone(500)
    expect(vacuumed).toHaveLength(1)
  })

  it('comes back, later when it takes long', async () => {
    const quick = upkeep(1)
    const slow = upkeep(200)
    for (const { requests } of [quick, slow]) await requests(1_003 + 4_010)
    expect(quick.vacuumed).toHaveLength(6)
    expect(slow.vacuumed).toHaveLength(3)
    await slow.requests(60_000)
    expect(slow.vacuumed).toHaveLength(6)
  })

  it('goes on after a failure', async () => {
    let failing = true
    const { vacuumed, requests, subject } = upkeep(1, () => failing)
    await requests(999)
    await expect(subject.requestDone(1)).rejects.toThrow('disk full')
    failing = false
    await requests(5)
    expect(vacuumed).toHaveLength(2)
  })
})
