import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FolderStore } from '../../../lakehouse/objects/folder.js'
import { Events } from '../../../scheduler/events.js'
import { FolderLogStore, logPath } from '../../../scheduler/worker/log-folder.js'
import { AttemptLogs } from '../../../scheduler/worker/log-reader.js'
import { finishLog } from '../../../scheduler/worker/log-repair.js'
import { SegmentLogStore } from '../../../scheduler/worker/log-segments.js'
import { LogWriter } from '../../../scheduler/worker/log-writer.js'
import { Masking } from '../../../scheduler/worker/masking.js'
import { openLogStore } from '../../../scheduler/worker/open-log-store.js'
import { ATTEMPT, logSuite, messagesOf } from './log-suite.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-logs-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const remove = async () => undefined
logSuite('a folder', async () => {
  const again = () => new FolderLogStore(folder)
  return { store: again(), again, remove }
})
logSuite('segments', async () => {
  const again = () => new SegmentLogStore(() => new FolderStore(folder))
  return { store: again(), again, remove }
})

const writer = (store = new FolderLogStore(folder)) =>
  new LogWriter({ store, attempt: ATTEMPT, masking: new Masking(), now: () => 0 })
const read = () => messagesOf(new AttemptLogs(new FolderLogStore(folder), new Events()).read(ATTEMPT, { from: 1 }))

describe('a log in a folder', () => {
  it('makes no folder before there is a line', async () => {
    await writer().close()
    expect(existsSync(join(folder, 'sales'))).toBe(false)
  })

  it('cuts a line that is too long, and says so', async () => {
    const log = writer()
    log.write('info', 'x'.repeat(100_000))
    await log.close()
    const [line = ''] = await read()
    expect(line.length).toBeLessThan(20_000)
    expect(line).toMatch(/x… \(83616 more characters\)$/)
  })

  it('says why it ends when the disk does not take it, and stops nobody', async () => {
    writeFileSync(join(folder, 'file'), '')
    const log = writer(new FolderLogStore(join(folder, 'file')))
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

  it('leaves out a line torn by a crash, and goes on after it once it is mended', async () => {
    const log = writer()
    log.write('info', 'one\ntwo')
    await log.close()
    appendFileSync(logPath(folder, ATTEMPT), '{"line":3,"at":"torn')
    expect(await read()).toHaveLength(2)
    await finishLog(new FolderLogStore(folder), ATTEMPT, [{ level: 'error', message: 'cut off' }], 0)
    expect(await read()).toEqual(['1 one', '2 two', '3 cut off'])
    expect(readFileSync(logPath(folder, ATTEMPT), 'utf8').includes('torn')).toBe(false)
  })
})

it('logs that cannot be kept because of their configuration stop nobody', async () => {
  const place = {
    project: folder,
    logs: { location: 's3://lake/logs', connection: 'minio' },
    connections: { minio: { type: 's3', secret_key: ['${', 'env:NOT_SET}'].join('') } },
    cache: { folder: join(folder, 'cache'), maxBytes: 1e6 },
  }
  const store = openLogStore(place, {})
  const log = new LogWriter({ store, attempt: ATTEMPT, masking: new Masking(), now: () => 0 })
  log.write('info', 'hello')
  await log.close()
  expect(log.failure).toMatch(/connections\.minio.* NOT_SET is not set/)
})
