import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { processEntry } from '../../../package-root.js'
import { lockFolder } from '../../../scheduler/store/folder-lock.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the lock of a store folder', () => {
  it('is held until it is released', () => {
    const release = lockFolder(folder)
    expect(() => lockFolder(folder)).toThrow(`Another Sluice (pid ${process.pid}) uses the store folder ${folder}.`)
    release()
    lockFolder(folder)()
    expect(readdirSync(folder)).toEqual(['lock.2'])
  })

  it('of a dead process is taken over', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    writeFileSync(join(folder, 'lock.7'), JSON.stringify({ pid: child.pid, startedAt: '12345' }))
    const release = lockFolder(folder)
    expect(readdirSync(folder)).toEqual(['lock.8'])
    release()
  })

  it('whose pid now belongs to another process is taken over', () => {
    writeFileSync(join(folder, 'lock.7'), JSON.stringify({ pid: process.pid, startedAt: '1' }))
    lockFolder(folder)()
  })

  it('in a folder that cannot be made is refused with the path', () => {
    writeFileSync(join(folder, 'file'), '')
    const inside = join(folder, 'file', 'store')
    expect(() => lockFolder(inside)).toThrow(`Sluice cannot write to its store folder ${inside}.`)
  })

  it('is won by one of many, also when all find a dead holder', async () => {
    const openers = Array.from({ length: 6 }, () =>
      fork(processEntry('tests/scheduler/store/lock-racer.js'), [folder], { stdio: 'inherit' }),
    )
    try {
      await Promise.all(openers.map((opener) => once(opener, 'message')))
      for (let round = 0; round < 40; round++) {
        writeFileSync(join(folder, `lock.${1000 * (round + 1)}`), JSON.stringify({ pid: 2 ** 22 + 1, startedAt: '1' }))
        const answers = openers.map(async (opener) => (await once(opener, 'message'))[0] as string)
        const at = Date.now() + 20
        for (const opener of openers) opener.send(at)
        expect((await Promise.all(answers)).filter((answer) => answer === 'won')).toHaveLength(1)
      }
    } finally {
      for (const opener of openers) opener.kill('SIGKILL')
    }
  })
})
