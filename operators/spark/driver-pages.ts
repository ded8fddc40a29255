import type { Json, JsonObject } from '../../json.js'
import { noFigures, type SparkFigures } from './figures.js'
import { SUBMISSION_PROPERTY } from './handle.js'
import { isSilence, pageText } from './page-text.js'

const MAX_BYTES = 8 * 1024 * 1024
/** Spark tries this many ports after the first, when others are taken. */
const PORTS = 16

/** The application whose pages are looked for: by its id, or by what its submission gave it. */
export interface Sought {
  applicationId: string | null
  marker: string
}

/**
 * The driver's REST API (`/api/v1`), as far as Sluice reads it. The address is the one the log names, or the first port from
 * `spark.ui.port` on whose application is the one that is sought: several drivers may share a machine, and an application
 * may give itself any name.
 */
export class DriverPages {
  #found: { url: string; applicationId: string } | null = null

  constructor(
    private readonly firstPort: number,
    private readonly signal: AbortSignal,
  ) {}

  get applicationId(): string | null {
    return this.#found?.applicationId ?? null
  }

  /** Where people find them; null on this machine, whose address only the log may tell. */
  get origin(): string | null {
    if (this.#found === null) return null
    const { origin, hostname } = new URL(this.#found.url)
    return hostname === '127.0.0.1' ? null : origin
  }

  /** Looks once; the driver may not have opened its pages yet. */
  async find(sought: Sought, at: { host: string; loggedUrl: string | null }): Promise<boolean> {
    if (this.#found !== null) return true
    const addresses =
      at.loggedUrl === null
        ? Array.from({ length: PORTS }, (_, index) => `http://${at.host}:${this.firstPort + index}`)
        : [at.loggedUrl.replace(/\/+$/, '')]
    for (const url of addresses) {
      for (const { id } of list(await this.#get(`${url}/api/v1/applications`))) {
        if (typeof id !== 'string' || !(await this.#isSought(`${url}/api/v1/applications/${id}`, id, sought))) continue
        this.#found = { url: `${url}/api/v1/applications/${id}`, applicationId: id }
        return true
      }
    }
    return false
  }

  async #isSought(url: string, id: string, { applicationId, marker }: Sought): Promise<boolean> {
    if (applicationId !== null) return id === applicationId
    const environment = await this.#get(`${url}/environment`)
    const properties =
      environment !== null && typeof environment === 'object' && !Array.isArray(environment)
        ? environment.sparkProperties
        : null
    return (
      Array.isArray(properties) &&
      properties.some((one) => Array.isArray(one) && one[0] === SUBMISSION_PROPERTY && one[1] === marker)
    )
  }

  /** null when the driver does not answer (it is ending, most often). */
  async figures(): Promise<SparkFigures | null> {
    if (this.#found === null) return null
    const [jobs, stages] = [await this.#get(`${this.#found.url}/jobs`), await this.#get(`${this.#found.url}/stages`)]
    return jobs === null || stages === null ? null : figuresOf(list(jobs), list(stages))
  }

  async #get(url: string): Promise<Json> {
    try {
      const text = await pageText(url, { maxBytes: MAX_BYTES, signal: this.signal })
      return text === null ? null : (JSON.parse(text) as Json)
    } catch (error) {
      // Not open yet, ending, or something else on that port: figures are a comfort, and the next look may have them.
      if (isSilence(error) || error instanceof SyntaxError) return null
      throw error
    }
  }
}

/** Jobs say how much there is to do, stages what they read and wrote. */
export function figuresOf(jobs: JsonObject[], stages: JsonObject[]): SparkFigures {
  const sum = (rows: JsonObject[], key: string) => rows.reduce((total, row) => total + number(row[key]), 0)
  const wanted = jobs.map((job) => number(job.numTasks) - number(job.numSkippedTasks))
  const done = stages.filter((stage) => stage.status === 'COMPLETE')
  const open = stages.filter((stage) => stage.status === 'ACTIVE' || stage.status === 'PENDING')
  return {
    ...noFigures(),
    stagesDone: done.length,
    stages: done.length + open.length,
    tasksDone: sum(jobs, 'numCompletedTasks'),
    tasks: wanted.reduce((total, one) => total + one, 0),
    failedTasks: sum(jobs, 'numFailedTasks'),
    rowsRead: sum(stages, 'inputRecords'),
    bytesRead: sum(stages, 'inputBytes'),
    rowsWritten: sum(stages, 'outputRecords'),
    bytesWritten: sum(stages, 'outputBytes'),
    shuffleRead: sum(stages, 'shuffleReadBytes'),
    shuffleWritten: sum(stages, 'shuffleWriteBytes'),
    spilled: sum(stages, 'diskBytesSpilled'),
    taskMs: sum(stages, 'executorRunTime'),
    gcMs: sum(stages, 'jvmGcTime'),
  }
}

function list(value: Json): JsonObject[] {
  if (!Array.isArray(value)) return []
  return value.filter((one): one is JsonObject => one !== null && typeof one === 'object' && !Array.isArray(one))
}

function number(value: Json | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}
