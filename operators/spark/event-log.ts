import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../errors.js'
import type { Json, JsonObject } from '../../json.js'
import { noFigures, type SparkFigures } from './figures.js'

const CHUNK_BYTES = 1024 * 1024
/** A longer event (a plan of thousands of columns) is passed over instead of filling memory. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024
const LF = 0x0a
const OURS = /^\{"Event":"SparkListener(ApplicationStart|JobStart|JobEnd|StageCompleted|TaskEnd)"/

/**
 * Follows the event log of one application while Spark writes it: one JSON object a line, in one file that is named after
 * the application. Each `read` takes what has come since the last.
 */
export class EventLog {
  readonly figures: SparkFigures = noFigures()
  applicationId: string | null = null
  #file: FileHandle | null = null
  #rest: Buffer[] = []
  #restBytes = 0
  readonly #jobs = new Map<number, Map<number, number>>()
  readonly #finished = new Set<number>()

  /** @param folder private to one submission, so that its first file is the application's */
  constructor(private readonly folder: string) {}

  async read(): Promise<void> {
    this.#file ??= await this.#open()
    if (this.#file === null) return
    const buffer = Buffer.alloc(CHUNK_BYTES)
    // The handle keeps its place, also when Spark renames the file at the end.
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, null)
      if (bytesRead === 0) return
      this.#take(buffer.subarray(0, bytesRead))
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = null
  }

  async #open(): Promise<FileHandle | null> {
    try {
      const [name] = (await readdir(this.folder)).filter((one) => !one.startsWith('.')).sort()
      return name === undefined ? null : await open(join(this.folder, name))
    } catch (error) {
      // Not there yet, or renamed between the two calls: the next read finds it.
      if (codeOf(error) === 'ENOENT') return null
      throw error
    }
  }

  #take(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#keep(chunk.subarray(start, end))
      this.#line(Buffer.concat(this.#rest).toString('utf8'))
      this.#rest = []
      this.#restBytes = 0
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
  }

  /** Of an event over the bound nothing is kept, so it ends as an empty line. */
  #keep(part: Buffer): void {
    this.#restBytes += part.length
    if (this.#restBytes <= MAX_EVENT_BYTES) this.#rest.push(Buffer.from(part))
    else this.#rest = []
  }

  #line(line: string): void {
    const kind = OURS.exec(line)?.[1]
    if (kind === undefined) return
    const event = map(JSON.parse(line) as Json)
    if (kind === 'ApplicationStart') this.applicationId = typeof event['App ID'] === 'string' ? event['App ID'] : null
    else if (kind === 'JobStart') this.#jobStart(event)
    else if (kind === 'JobEnd') this.#jobEnd(number(event['Job ID']))
    else if (kind === 'StageCompleted') this.#stageCompleted(map(event['Stage Info']))
    else this.#taskEnd(event)
  }

  #jobStart(event: JsonObject): void {
    const stages = new Map<number, number>()
    for (const info of Array.isArray(event['Stage Infos']) ? event['Stage Infos'] : []) {
      const stage = number(map(info)['Stage ID'])
      if (!this.#finished.has(stage)) stages.set(stage, number(map(info)['Number of Tasks']))
    }
    this.#jobs.set(number(event['Job ID']), stages)
    this.figures.stages += stages.size
    for (const tasks of stages.values()) this.figures.tasks += tasks
  }

  /** Stages that were not needed, because their result was there already, leave the total. */
  #jobEnd(job: number): void {
    for (const [stage, tasks] of this.#jobs.get(job) ?? []) {
      if (this.#finished.has(stage)) continue
      this.figures.stages -= 1
      this.figures.tasks -= tasks
    }
    this.#jobs.delete(job)
  }

  #stageCompleted(info: JsonObject): void {
    if (info['Failure Reason'] !== undefined) return
    this.#finished.add(number(info['Stage ID']))
    this.figures.stagesDone += 1
  }

  #taskEnd(event: JsonObject): void {
    const figures = this.figures
    const reason = map(event['Task End Reason']).Reason
    if (reason === 'Success') figures.tasksDone += 1
    else if (reason !== 'TaskKilled') figures.failedTasks += 1
    const metrics = map(event['Task Metrics'])
    figures.taskMs += number(metrics['Executor Run Time'])
    figures.gcMs += number(metrics['JVM GC Time'])
    figures.spilled += number(metrics['Disk Bytes Spilled'])
    const input = map(metrics['Input Metrics'])
    figures.rowsRead += number(input['Records Read'])
    figures.bytesRead += number(input['Bytes Read'])
    const shuffleRead = map(metrics['Shuffle Read Metrics'])
    figures.shuffleRead += number(shuffleRead['Remote Bytes Read']) + number(shuffleRead['Local Bytes Read'])
    figures.shuffleWritten += number(map(metrics['Shuffle Write Metrics'])['Shuffle Bytes Written'])
    // What a failed task had written was thrown away.
    if (reason !== 'Success') return
    const output = map(metrics['Output Metrics'])
    figures.rowsWritten += number(output['Records Written'])
    figures.bytesWritten += number(output['Bytes Written'])
  }
}

function map(value: Json | undefined): JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {}
}

function number(value: Json | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}
