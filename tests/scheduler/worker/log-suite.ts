import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Events } from '../../../scheduler/events.js'
import type { LogLine } from '../../../scheduler/shapes.js'
import { AttemptLogs } from '../../../scheduler/worker/log-reader.js'
import { finishLog } from '../../../scheduler/worker/log-repair.js'
import type { LogStore } from '../../../scheduler/worker/log-store.js'
import { LogWriter, type LogWriterOptions } from '../../../scheduler/worker/log-writer.js'
import { Masking } from '../../../scheduler/worker/masking.js'
import { eventually } from './worker-project.js'

export const ATTEMPT = { runId: 'sales-20260102T060000Z', taskId: 'load', attempt: 1 }

export async function messagesOf(lines: AsyncIterable<LogLine>): Promise<string[]> {
  const messages: string[] = []
  for await (const line of lines) messages.push(`${line.line} ${line.message}`)
  return messages
}

/**
 * What holds for logs wherever they are kept.
 * @param open a place without logs; `again` opens it as another machine would
 */
export function logSuite(
  kind: string,
  open: () => Promise<{ store: LogStore; again(): LogStore; remove(): Promise<void> }>,
): void {
  describe(`logs in ${kind}`, () => {
    let place: Awaited<ReturnType<typeof open>>
    let events: Events
    let logs: AttemptLogs
    beforeEach(async () => {
      place = await open()
      events = new Events()
      logs = new AttemptLogs(place.again(), events)
    })
    afterEach(() => place.remove())

    const writer = (options: Partial<LogWriterOptions> = {}) =>
      new LogWriter({ store: place.store, attempt: ATTEMPT, masking: new Masking(), now: () => 0, ...options })
    const read = (from = 1, limit?: number) =>
      messagesOf(logs.read(ATTEMPT, limit === undefined ? { from } : { from, limit }))
    const bytes = async () => {
      const source = await place.store.open(ATTEMPT)
      const size = await source?.size()
      await source?.close()
      return size
    }

    it('can be read within a second of being said, once their place is warm', async () => {
      await place.store.warm()
      const log = writer()
      log.write('info', 'hello')
      await eventually('it is there', async () => (await read()).length === 1, 1_000)
      await log.close()
      expect(await read()).toEqual(['1 hello'])
    })

    it('of a run are removed together, and of that run only', async () => {
      const attempts = ['sales-20260102T060000Z', 'sales-20260102T060000Z-manual'].flatMap((runId) =>
        ['load', 'load.1'].flatMap((taskId) => [1, 2].map((attempt) => ({ runId, taskId, attempt }))),
      )
      for (const attempt of attempts) {
        const log = writer({ attempt })
        log.write('info', 'hello')
        await log.close()
      }
      await place.store.remove('sales-20260102T060000Z')
      await place.store.remove('sales-20260103T060000Z')
      for (const attempt of attempts) {
        const source = await place.again().open(attempt)
        expect([attempt.runId, source !== null]).toEqual([attempt.runId, attempt.runId.endsWith('-manual')])
        await source?.close()
      }
      await expect(place.store.remove('../sales-1')).rejects.toThrow('There is no such run.')
    })

    it('are not there at all when nothing was said', async () => {
      await writer().close()
      expect(await read()).toEqual([])
      expect(await place.again().open(ATTEMPT)).toBeNull()
      expect(await logs.tail(ATTEMPT, 5)).toEqual([])
    })

    it('have one line for each line of a message, numbered', async () => {
      const log = writer()
      log.write('info', 'one\ntwo\r\nthree')
      log.write('error', 'é')
      await log.close()
      expect(await read()).toEqual(['1 one', '2 two', '3 three', '4 é'])
      expect(log.lines).toBe(4)
      expect(log.bytes).toBe(await bytes())
    })

    it('stop growing at their limit, and keep the end all the same', async () => {
      const log = writer({ maxBytes: 10_000 })
      for (let line = 1; line <= 5_000; line++) {
        log.write('info', `line ${line}`)
        await log.drained()
      }
      await log.close()
      const messages = await read()
      expect(await bytes()).toBeLessThan(40_000)
      const limit = 'The log has reached 10,000 bytes: only its end follows.'
      expect(messages.some((message) => message.includes(limit))).toBe(true)
      expect(messages.some((message) => /4,\d+ lines are left out here/.test(message))).toBe(true)
      expect(messages.at(-1)).toMatch(/ line 5000$/)
    })

    it('let a chatty program wait instead of filling memory', async () => {
      const log = writer()
      let waiting = false
      for (let line = 0; line < 160; line++) log.write('info', 'x'.repeat(16_000))
      const drained = log.drained().then(() => {
        waiting = true
      })
      await Promise.resolve()
      expect(waiting).toBe(false)
      await drained
      await log.close()
      expect(log.lines).toBe(160)
      expect(await read(160)).toHaveLength(1)
    })

    it('are read from any line, in any number, and from the end', async () => {
      const log = writer()
      for (let line = 1; line <= 3_000; line++) {
        log.write('info', `é${'y'.repeat(50)} ${line}`)
        if (line % 1_000 === 0) await eventually('it is there', async () => (await read(line)).length === 1)
      }
      expect((await read(2_999)).map((line) => line.split(' ').at(-1))).toEqual(['2999', '3000'])
      await log.close()
      expect((await read(2_999)).map((line) => line.split(' ').at(-1))).toEqual(['2999', '3000'])
      expect((await read(10, 3)).map((line) => line.split(' ')[0])).toEqual(['10', '11', '12'])
      expect((await read(999, 3)).map((line) => line.split(' ')[0])).toEqual(['999', '1000', '1001'])
      expect(await read(3_001)).toEqual([])
      expect((await logs.tail(ATTEMPT, 2)).map(({ line }) => line)).toEqual([2_999, 3_000])
      expect(await logs.tail(ATTEMPT, 5_000)).toHaveLength(3_000)
      expect(await logs.tail(ATTEMPT, 0)).toEqual([])
      expect(await logs.tail({ ...ATTEMPT, attempt: 2 }, 5)).toEqual([])
    })

    it('are finished by another process after their writer was killed', async () => {
      const killed = place.store.appender(ATTEMPT)
      const line = (number: number) => `${JSON.stringify({ line: number, at: '', level: 'info', message: 'said' })}\n`
      await killed.append(line(1) + line(2), 2)
      await killed.append(line(3), 1)
      const said = [{ level: 'error' as const, message: 'cut off' }]
      const extent = await finishLog(place.again(), ATTEMPT, said, 0)
      expect(await read()).toEqual(['1 said', '2 said', '3 said', '4 cut off'])
      expect(extent).toEqual({ lines: 4, bytes: await bytes() })
      const other = { ...ATTEMPT, attempt: 2 }
      expect((await finishLog(place.again(), other, said, 0)).lines).toBe(1)
      expect(await messagesOf(logs.read(other, { from: 1 }))).toEqual(['1 cut off'])
      await killed.close()
      expect(await read()).toHaveLength(4)
    })

    it('begin anew where a restored store knows nothing of those that lie there', async () => {
      const before = place.store.appender(ATTEMPT)
      const line = (number: number, message: string) =>
        `${JSON.stringify({ line: number, at: '', level: 'info', message })}\n`
      await before.append(line(1, 'of another history') + line(2, 'and longer'), 2)
      await before.append(line(3, 'than ours'), 1)
      await before.close()
      const neighbour = place.store.appender({ ...ATTEMPT, attempt: 11 })
      await neighbour.append(line(1, 'the neighbour'), 1)
      await neighbour.close()
      const log = place.again().appender(ATTEMPT)
      await log.append(line(1, 'ours'), 1)
      expect(await read()).toEqual(['1 ours'])
      await log.append(line(2, 'goes on'), 1)
      await log.close()
      expect(await read()).toEqual(['1 ours', '2 goes on'])
      expect(await messagesOf(logs.read({ ...ATTEMPT, attempt: 11 }, { from: 1 }))).toEqual(['1 the neighbour'])
    })

    it('are followed line by line until their attempt has ended', async () => {
      let ended = false
      const log = writer({ onFlush: (lines) => events.emit({ kind: 'log', ...ATTEMPT, lines }) })
      const signal = new AbortController().signal
      const lines = messagesOf(logs.follow(ATTEMPT, { from: 2, ended: async () => ended, signal }))
      for (const message of ['one', 'two', 'three']) log.write('info', message)
      await eventually('they are there', async () => (await read()).length === 3)
      log.write('info', 'four')
      await log.close()
      ended = true
      events.emit({ kind: 'task', dagId: 'sales', runId: ATTEMPT.runId, taskId: ATTEMPT.taskId, state: 'success' })
      expect(await lines).toEqual(['2 two', '3 three', '4 four'])
    })

    it('lose no line to a follower while much is written', async () => {
      let ended = false
      const log = writer()
      const signal = new AbortController().signal
      const lines = messagesOf(logs.follow(ATTEMPT, { from: 1, ended: async () => ended, signal }))
      for (let line = 1; line <= 3_000; line++) {
        log.write('info', `${line} ${'z'.repeat(2_000)}`)
        await log.drained()
      }
      await log.close()
      ended = true
      const numbers = (await lines).map((line) => Number(line.split(' ')[0]))
      expect(numbers).toEqual(Array.from({ length: 3_000 }, (_, index) => index + 1))
    })

    it('are left by a follower who goes', async () => {
      const controller = new AbortController()
      const lines = messagesOf(logs.follow(ATTEMPT, { from: 1, ended: async () => false, signal: controller.signal }))
      controller.abort()
      expect(await lines).toEqual([])
    })
  })
}
