import { mkdtempSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { takeWorkerName } from '../../../scheduler/cluster/worker-name.js'

const NAMESPACE = '0123456789abcdef'
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-names-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

it('gives two machines of one host name different names', () => {
  const [one, other] = ['a', 'b'].map((machine) => takeWorkerName(join(root, machine), NAMESPACE))
  expect(one?.place).toBe(`${hostname()}-1`)
  expect(other?.place).toBe(one?.place)
  expect(one?.id).toMatch(/-1-[0-9a-f]{8}$/)
  expect(other?.id).not.toBe(one?.id)
})

it('gives a worker the place of the one before it, and tells whose it was', () => {
  const first = takeWorkerName(root, NAMESPACE)
  const beside = takeWorkerName(root, NAMESPACE)
  expect([first.before, beside.before, beside.place]).toEqual([null, null, `${hostname()}-2`])
  first.release()
  const second = takeWorkerName(root, NAMESPACE)
  expect(second).toMatchObject({ place: first.place, folder: first.folder, before: first.id })
  expect(second.id).not.toBe(first.id)
})
