import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { processEntry } from '../../../package-root.js'
import { lockFolder, SILENT_MS } from '../../../scheduler/store/folder-lock.js'
import { eventually } from '../worker/worker-project.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** As one of another container leaves it: its pid may be anybody's here. */
function elsewhere(): void {
  const holder = { pid: 1, startedAt: '1', place: 'another', host: 'web-1' }
  writeFileSync(join(folder, 'lock.7'), JSON.stringify(holder))
}

function silentFor(ms: number): void {
  const at = new Date(Date.now() - ms)
  utimesSync(join(folder, 'lock.7'), at, at)
}

describe('the lock of a store folder', () => {
  it('is held until it is released', () => {
    const { release } = lockFolder(folder)
    expect(() => lockFolder(folder)).toThrow(`Another Sluice (pid ${process.pid}) uses the store folder ${folder}.`)
    release()
    lockFolder(folder).release()
    expect(readdirSync(folder)).toEqual(['lock.2'])
  })

  it('of a dead process is taken over', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    writeFileSync(join(folder, 'lock.7'), JSON.stringify({ pid: child.pid, startedAt: '12345' }))
    const { release } = lockFolder(folder)
    expect(readdirSync(folder)).toEqual(['lock.8'])
    release()
  })

  it('whose pid now belongs to another process is taken over', () => {
    writeFileSync(join(folder, 'lock.7'), JSON.stringify({ pid: process.pid, startedAt: '1' }))
    lockFolder(folder).release()
  })

  it('of another container is refused by name while it is heard of, and taken over after that', () => {
    elsewhere()
    const refused = 'Another Sluice (pid 1 on web-1, in another container or on another machine, heard of 0 s ago) uses'
    expect(() => lockFolder(folder)).toThrow(refused)
    silentFor(SILENT_MS - 2_000)
    expect(() => lockFolder(folder)).toThrow('heard of 18 s ago')
    silentFor(SILENT_MS + 1_000)
    lockFolder(folder).release()
    expect(readdirSync(folder)).toEqual(['lock.8'])
  })

  it('that was touched by a clock which has gone back since is free as long after a start as any other', () => {
    elsewhere()
    silentFor(-3_600_000)
    expect(() => lockFolder(folder)).toThrow('heard of 0 s ago')
    const { mtimeMs } = statSync(join(folder, 'lock.7'))
    expect(mtimeMs).toBeLessThan(Date.now() + 60_000)
    // that much later
    silentFor(Date.now() - mtimeMs + SILENT_MS)
    lockFolder(folder).release()
    expect(readdirSync(folder)).toEqual(['lock.8'])
  })

  it('is touched while it is held, and stays what it is', async () => {
    const { release } = lockFolder(folder)
    const lock = join(folder, 'lock.1')
    const text = readFileSync(lock, 'utf8')
    const long = new Date(Date.now() - 60_000)
    utimesSync(lock, long, long)
    await eventually('it is touched', async () => statSync(lock).mtimeMs > long.getTime() + 30_000, 30_000)
    expect(readFileSync(lock, 'utf8')).toBe(text)
    release()
  })

  it('tells its holder when another has taken it over, and leaves that one alone', async () => {
    const { release, lost } = lockFolder(folder)
    writeFileSync(join(folder, 'lock.2'), JSON.stringify({ pid: process.pid, startedAt: '' }))
    expect((await lost).message).toBe(`Another Sluice has taken over the store folder ${folder}.`)
    release()
    expect(() => lockFolder(folder)).toThrow(`Another Sluice (pid ${process.pid})`)
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
