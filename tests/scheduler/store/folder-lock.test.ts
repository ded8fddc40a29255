import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
    expect(readdirSync(folder)).toEqual([])
  })

  it('of a dead process is taken over', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: child.pid, startedAt: '12345' }))
    lockFolder(folder)()
    expect(existsSync(join(folder, 'lock'))).toBe(false)
  })

  it('whose pid now belongs to another process is taken over', () => {
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: process.pid, startedAt: '1' }))
    lockFolder(folder)()
  })

  it('in a folder that cannot be made is refused with the path', () => {
    writeFileSync(join(folder, 'file'), '')
    const inside = join(folder, 'file', 'store')
    expect(() => lockFolder(inside)).toThrow(`Sluice cannot write to its store folder ${inside}.`)
  })
})
