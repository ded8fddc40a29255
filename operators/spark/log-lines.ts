import type { LogLevel } from '../operator.js'

/** What the log of spark-submit tells about the application, each learnt once. */
export interface LogFacts {
  applicationId: string | null
  /** `driver-…` on a standalone cluster, `namespace:pod` on Kubernetes */
  submissionId: string | null
  /** address of the driver's own pages */
  uiUrl: string | null
}

/** What is known before the first line of spark-submit; each call gives its own, to be filled in. */
export function noFacts(): LogFacts {
  return { applicationId: null, submissionId: null, uiUrl: null }
}

/** `26/11/21 08:47:46 WARN TaskSetManager: …` and its relatives, with or without a date, fractions and a zone. */
const LOG4J =
  /^(?:\d{2,4}[/-]\d\d[/-]\d\d[ T])?\d\d:\d\d:\d\d(?:[.,]\d+)?Z?\s+(?:\[[^\]]*\]\s+)?(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\b/
/** Spark 4 with `spark.log.structuredLogging.enabled`. */
const STRUCTURED = /^\{"ts":"[^"]*","level":"(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)"/
const PROGRESS_BAR = /^\s*(\[Stage \d+:[^\]]*\]\s*)+$/
const TROUBLE = /^(Traceback \(|Exception in thread|Caused by:|Error:|ERROR:|[\w$.]+(?:Exception|Error)(?::|$))/
const JVM_NOTE =
  /^WARNING: (Using incubator modules|package .* not in|A terminally deprecated|Please consider reporting|sun\.)/

const LEVELS: Record<string, LogLevel> = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
  FATAL: 'error',
}

const APPLICATION =
  /(?:app(?:lication)? ?id:?|Submitted application|Application report for|app ID) *(application_\d+_\d+|app-\d{14}-\d+|local-\d+|spark-[0-9a-z-]+)/i
const DRIVER = /\b(driver-\d{14}-\d+)\b/
const POD = /submission ID ([a-z0-9.-]+:[a-z0-9.-]+)/
const UI = /SparkUI.*?started at (https?:\/\/[^\s,"]+)/

/** `WARN` of a line that begins an entry of Spark's log; null for every other line. */
export function logEntryLevel(line: string): string | null {
  return LOG4J.exec(line)?.[1] ?? STRUCTURED.exec(line)?.[1] ?? null
}

/** Reads the output of spark-submit line by line. */
export class SparkLogLines {
  readonly facts: LogFacts = noFacts()
  #level: LogLevel = 'warn'
  #inTraceback = false

  /** The level of a line of stdout, where the driver's Python also writes its tracebacks. */
  stdout(line: string): LogLevel {
    if (/^Traceback \(/.test(line)) {
      this.#inTraceback = true
      return 'error'
    }
    const belongs = this.#inTraceback
    // The first line at the margin names the exception and ends the traceback.
    if (/^\S/.test(line)) this.#inTraceback = false
    return belongs || TROUBLE.test(line) ? 'error' : 'info'
  }

  /** The level of a line of stderr; null for one that is dropped (a progress bar, a blank). */
  stderr(line: string): LogLevel | null {
    if (line.trim() === '' || PROGRESS_BAR.test(line)) return null
    this.#learn(line)
    const written = logEntryLevel(line)
    if (written !== null) this.#level = LEVELS[written] ?? 'warn'
    else if (TROUBLE.test(line)) this.#level = 'error'
    else if (JVM_NOTE.test(line)) return 'debug'
    // What is indented belongs to the line before it, and after an exception so does everything until the next entry.
    else if (!/^\s/.test(line) && this.#level !== 'error') this.#level = 'warn'
    return this.#level
  }

  #learn(line: string): void {
    this.facts.applicationId ??= APPLICATION.exec(line)?.[1] ?? null
    this.facts.submissionId ??= DRIVER.exec(line)?.[1] ?? POD.exec(line)?.[1] ?? null
    this.facts.uiUrl ??= UI.exec(line)?.[1] ?? null
  }
}
