import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Events } from '../../../scheduler/events.js'
import type { LogLine } from '../../../scheduler/shapes.js'
import { logPath } from '../../../scheduler/worker/log-folder.js'
import { FolderLogs } from '../../../scheduler/worker/log-reader.js'
import { finishLog } from '../../../scheduler/worker/log-repair.js'
import { LogWriter, type LogWriterOptions } from '../../../scheduler/worker/log-writer.js'
import { Masking } from '../../../scheduler/worker/masking.js'
import { eventually } from './worker-project.js'

const ATTEMPT = { runId: 'sales-20260102T060000Z', taskId: 'load', attempt: 1 }

let folder: string
let events: Events

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-logs-'))
  events = new Events()
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function writer(options: Partial<LogWriterOptions> = {}): LogWriter {
  return new LogWriter({ folder, attempt: ATTEMPT, masking: new Masking(), now: () => 0, ...options })
}

async function all(lines: AsyncIterable<LogLine>): Promise<string[]> {
  const messages: string[] = []
  for await (const line of lines) messages.push(`${line.line} ${line.message}`)
  return messages
}

const read = (from = 1, limit?: number) =>
  all(new FolderLogs(folder, events).read(ATTEMPT, limit === undefined ? { from } : { from, limit }))

describe('the log of an attempt', () => {
  it('is on disk within a second of being said', async () => {
    const log = writer()
    log.write('info', 'hello')
    await eventually('it is on disk', async () => (await read()).length === 1, 1_000)
    await log.close()
    expect(await read()).toEqual(['1 hello'])
  })

  it('is not there at all when nothing was said', async () => {
    await writer().close()
    expect(existsSync(join(folder, 'sales'))).toBe(false)
    expect(await read()).toEqual([])
  })

  it('has one line for each line of a message, numbered', async () => {
    const log = writer()
    log.write('info', 'one\ntwo\r\nthree')
    log.write('error', 'four')
    await log.close()
    expect(await read()).toEqual(['1 one', '2 two', '3 three', '4 four'])
    expect(log.lines).toBe(4)
    expect(log.bytes).toBe(statSync(logPath(folder, ATTEMPT)).size)
  })

  it('cuts a line that is too long, and says so', async () => {
    const log = writer()
    log.write('info', 'x'.repeat(100_000))
    await log.close()
    const [line = ''] = await read()
    expect(line.length).toBeLessThan(20_000)
    expect(line).toMatch(/x… \(83616 more characters\)$/)
  })

  it('stops growing at its limit, and keeps the end all the same', async () => {
    const log = writer({ maxBytes: 10_000 })
    for (let line = 1; line <= 5_000; line++) {
      log.write('info', `line ${line}`)
      await log.drained()
    }
    await log.close()
    const messages = await read()
    expect(statSync(logPath(folder, ATTEMPT)).size).toBeLessThan(40_000)
    expect(
      messages.some((message) => message.includes('The log has reached 10,000 bytes: only its end follows.')),
    ).toBe(true)
    expect(messages.some((message) => /4,\d+ lines are left out here/.test(message))).toBe(true)
    expect(messages.at(-1)).toMatch(/ line 5000$/)
  })

  it('lets a chatty program wait instead of filling memory', async () => {
    const log = writer()
    let waiting = false
    for (let line = 0; line < 40; line++) log.write('info', 'x'.repeat(16_000))
    const drained = log.drained().then(() => {
      waiting = true
    })
    await Promise.resolve()
    expect(waiting).toBe(false)
    await drained
    await log.close()
    expect(log.lines).toBe(40)
  })

  it('says why it ends when the disk does not take it, and stops nobody', async () => {
    writeFileSync(join(folder, 'file'), '')
    const log = writer({ folder: join(folder, 'file') })
    log.write('info', 'hello')
    await log.drained()
    await log.close()
    expect(log.failure).toMatch(/ENOTDIR/)
  })

  it('is never sought outside its folder', () => {
    for (const taskId of ['..', '../x', 'a/b', '', '.']) {
      expect(() => logPath(folder, { ...ATTEMPT, taskId })).toThrow('There is no such attempt.')
    }
    expect(() => logPath(folder, { ...ATTEMPT, runId: '../-x' })).toThrow()
    expect(() => logPath(folder, { ...ATTEMPT, attempt: 1.5 })).toThrow()
  })
})

describe('reading a log', () => {
  beforeEach(async () => {
    const log = writer()
    for (let line = 1; line <= 3_000; line++) log.write('info', `é${'y'.repeat(50)} ${line}`)
    await log.close()
  })

  it('begins and ends where it is told', async () => {
    expect((await read(2_999)).map((line) => line.split(' ').at(-1))).toEqual(['2999', '3000'])
    expect((await read(10, 3)).map((line) => line.split(' ')[0])).toEqual(['10', '11', '12'])
  })

  it('gives the last lines without reading all', async () => {
    const logs = new FolderLogs(folder, events)
    expect((await logs.tail(ATTEMPT, 2)).map(({ line }) => line)).toEqual([2_999, 3_000])
    expect(await logs.tail(ATTEMPT, 5_000)).toHaveLength(3_000)
    expect(await logs.tail(ATTEMPT, 0)).toEqual([])
    expect(await logs.tail({ ...ATTEMPT, attempt: 2 }, 5)).toEqual([])
  })

  it('leaves out a line torn by a crash, and goes on after it once it is mended', async () => {
    appendFileSync(logPath(folder, ATTEMPT), '{"line":3001,"at":"torn')
    expect(await read(3_000)).toHaveLength(1)
    const said = [{ level: 'error' as const, message: 'cut off' }]
    const written = await finishLog(folder, ATTEMPT, said, 0)
    expect(written.lines).toBe(3_001)
    expect(written.bytes).toBe(statSync(logPath(folder, ATTEMPT)).size)
    expect(await read(3_001)).toEqual(['3001 cut off'])
    expect(readFileSync(logPath(folder, ATTEMPT), 'utf8').includes('torn')).toBe(false)
  })
})

describe('following a log', () => {
  it('gives each new line, and ends after the last one of an attempt that has ended', async () => {
    let ended = false
    const log = writer({ onFlush: (lines) => events.emit({ kind: 'log', ...ATTEMPT, lines }) })
    const signal = new AbortController().signal
    const following = new FolderLogs(folder, events).follow(ATTEMPT, { from: 2, ended: async () => ended, signal })
    const lines = all(following)
    for (const message of ['one', 'two', 'three']) log.write('info', message)
    await eventually('they are on disk', async () => (await read()).length === 3)
    log.write('info', 'four')
    await log.close()
    ended = true
    events.emit({ kind: 'task', dagId: 'sales', runId: ATTEMPT.runId, taskId: ATTEMPT.taskId, state: 'success' })
    expect(await lines).toEqual(['2 two', '3 three', '4 four'])
  })

  it('ends when its reader goes', async () => {
    const controller = new AbortController()
    const logs = new FolderLogs(folder, events)
    const lines = all(logs.follow(ATTEMPT, { from: 1, ended: async () => false, signal: controller.signal }))
    controller.abort()
    expect(await lines).toEqual([])
  })
})
