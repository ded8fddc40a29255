import { SluiceError } from '../../errors.js'
import type { ProcessEnd } from '../process/run-process.js'
import { endSentence, shorten } from '../process/task-process.js'
import { CAUSES, causeIn, type FoundCause, OWN_CAUSES } from './failure-causes.js'
import { type LastException, LastExceptions } from './last-exception.js'
import { logEntryLevel } from './log-lines.js'

/** What is known about a failed application when it is summed up. */
export interface FailedApplication {
  master: string
  /** of the process that has ended; where a cluster only tells that its driver has failed, that in words */
  end: Pick<ProcessEnd, 'exitCode' | 'signal'> | string
}

/** Why an application has failed: a cause that is known, or else what it said itself. */
interface Verdict {
  known: FoundCause | null
  said?: string | undefined
  /** the launcher's own: the same attempt would fail the same way */
  final?: boolean
}

/** Spark has stopped the application for good; what fails later fails because of it. */
const KILLED = /Application has been killed\. Reason: (.*)$/
/** spark-submit only tells that the driver, which runs elsewhere, has failed. */
const FAILED_ELSEWHERE = /^SparkException: Application \S+ (?:finished with|is killed)/
/** Exit codes with which a JVM of Spark ends itself after an exception that nothing has caught. */
const UNCAUGHT_CODES = new Set([50, 51, 52])
/** What Python gives for a script that it cannot open. */
const PYTHON_USAGE_CODE = 2
/** A note of the JVM. */
const NOTE = /^WARNING: /
const EXCEPTION_LINE = /^(?:Caused by: |[\w.$]+(?:Exception|Error)(?::|$))/

/**
 * Listens to the log of spark-submit, or of a driver inside a cluster, and sums up a failure in one sentence. What ended the
 * application decides: the exception that nothing has caught, and its causes. A trouble that is only told in the log may
 * have been overcome, so it counts where there is no exception, and what a job prints never counts (ADR 56).
 */
export class SparkFailure {
  // The driver's Python writes its traceback to stdout, Spark and Java theirs to stderr, at the same time.
  readonly #stdout = new LastExceptions()
  readonly #stderr = new LastExceptions()
  #linesOfStdout = 0
  #firstOfStdout = ''
  /** level of the entry that lines without one belong to; null before the first */
  #level: string | null = null
  #killed: string | null = null
  #own: FoundCause | null = null
  #loose: FoundCause | null = null
  #refusal: string | undefined
  #trouble: string | undefined

  line(text: string, stream: 'stdout' | 'stderr'): void {
    if (text.trim() === '') return
    if (stream === 'stdout') {
      this.#stdout.line(text)
      if (this.#linesOfStdout === 0) this.#firstOfStdout = text
      this.#linesOfStdout += 1
      return
    }
    this.#stderr.line(text)
    const level = logEntryLevel(text)
    this.#level = level ?? this.#level
    const isTrouble = this.#level === null || this.#level === 'ERROR' || this.#level === 'FATAL'
    if (isTrouble) {
      this.#killed = KILLED.exec(text)?.[1] ?? this.#killed
      this.#loose = causeIn(text, CAUSES) ?? this.#loose
    }
    this.#hear(text, level, isTrouble)
  }

  /** @returns OPERATOR_FAILED whose message is one sentence with the cause and how the program ended */
  error(failed: FailedApplication): SluiceError {
    const ended = typeof failed.end === 'string' ? failed.end : endSentence(failed.end)
    const { known, said, final = false } = this.#verdict(failed.end)
    if (known === null) {
      const words = shorten(said)
      return new SluiceError('OPERATOR_FAILED', words === null ? `${ended}.` : `${words} (${ended})`)
    }
    const { cause, found } = known
    return new SluiceError('OPERATOR_FAILED', `${cause.sentence(found, failed)} (${ended}).`, {
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      retryable: !final,
    })
  }

  /** Whether anything was heard that says why. */
  get knows(): boolean {
    const { known, said } = this.#verdict('')
    return known !== null || said !== undefined
  }

  /** What stands at the margin, by itself. */
  #hear(text: string, level: string | null, isTrouble: boolean): void {
    if (/^\s/.test(text) || NOTE.test(text)) return
    if (level === null) {
      // It says so last of all: what speaks after it has been started.
      this.#own = causeIn(text, OWN_CAUSES)
      if (/^(Error|ERROR): /.test(text)) this.#refusal = text
    }
    const isOvercome = !isTrouble && (level !== null || EXCEPTION_LINE.test(text))
    if (!isOvercome) this.#trouble = text
  }

  #verdict(end: FailedApplication['end']): Verdict {
    const exitCode = typeof end === 'string' ? null : end.exitCode
    // Whoever killed it has not asked what went wrong before.
    if (typeof end !== 'string' && (end.signal !== null || exitCode === 137)) return { known: null }
    if (this.#killed !== null) {
      return { known: causeIn(this.#killed, CAUSES), said: `The application has been killed: ${this.#killed}` }
    }
    const exception = this.#exception(exitCode)
    if (exception !== null && !FAILED_ELSEWHERE.test(exception.said)) return verdictOf(exception)
    const unopened = exitCode === PYTHON_USAGE_CODE && this.#linesOfStdout === 1
    const own = this.#own ?? (unopened ? causeIn(this.#firstOfStdout, OWN_CAUSES) : null)
    if (own !== null) return { known: own, final: true }
    return { known: this.#loose, said: exception?.said ?? this.#refusal ?? this.#trouble }
  }

  #exception(exitCode: number | null): LastException | null {
    const java = this.#stderr.java()
    if (java !== null && exitCode !== null && UNCAUGHT_CODES.has(exitCode)) return java
    return this.#stdout.python(exitCode) ?? java ?? this.#stderr.python(exitCode)
  }
}

function verdictOf({ said, text, byLauncher }: LastException): Verdict {
  const own = byLauncher ? causeIn(text, OWN_CAUSES) : null
  return own === null ? { known: causeIn(text, CAUSES), said } : { known: own, final: true }
}
