import { SluiceError } from '../../errors.js'
import type { ProcessEnd } from '../process/run-process.js'
import { endSentence, shorten } from '../process/task-process.js'

/** What is known about a failed application when it is summed up. */
export interface FailedApplication {
  master: string
  end: Pick<ProcessEnd, 'exitCode' | 'signal'>
}

interface Cause {
  pattern: RegExp
  /** what to say; `$1` is what the pattern found */
  sentence(found: string, failed: FailedApplication): string
  hint?: string
  /** false: the same attempt would fail the same way */
  retryable?: boolean
}

/** In the order of how much they explain: the first that the log shows is the reason. */
const CAUSES: Cause[] = [
  {
    pattern: /JAVA_HOME is not set|Unable to locate a Java Runtime|: (?:exec: )?java: (?:command )?not found/,
    sentence: () => 'There is no Java on this worker',
    hint: 'Install Java 17 or newer, or set JAVA_HOME in `env` of the connection.',
    retryable: false,
  },
  {
    pattern: /Cannot run program "([^"]*python[^"]*)"/,
    sentence: (found) => `The Python interpreter ${found} is not there`,
    hint: 'Install it on driver and executors, or set PYSPARK_PYTHON in `env` of the connection.',
    retryable: false,
  },
  {
    pattern: /can't open file '([^']+)'|(?:Failed to load|Cannot load main class from) JAR (\S+)/,
    sentence: (found) => `The application ${found} cannot be opened`,
    retryable: false,
  },
  {
    pattern: /Failed to load class ([\w.$]*[\w$])|ClassNotFoundException: ([\w.$]*[\w$])/,
    sentence: (found) => `The class ${found} is in none of the jars`,
    hint: 'Check `class`, and add the jar with `jars` or `packages`.',
    retryable: false,
  },
  {
    pattern:
      /unresolved dependency: ([^\s:]+(?::[^\s:]+)?[^\s:]*)(?:: not found)?|^\s*:: ([\w.-]+#[\w.-]+;\S+): not found/,
    sentence: (found) => `The package ${found.replace('#', ':').replace(';', ':')} was found in no repository`,
    hint: 'Check the coordinates in `packages`; further repositories are named by `repositories`.',
  },
  {
    pattern:
      /All masters are unresponsive|Failed to connect to master|Unable to connect to server|Could not parse Master URL/,
    sentence: (_, { master }) => `The master ${master} cannot be reached`,
    hint: 'Check `master` of the connection and that the cluster is up.',
  },
  {
    pattern:
      /Container killed by YARN|exceeding (?:physical )?memory limits|ExecutorLostFailure[^\n]*(?:137|OOM|memory)/,
    sentence: () => 'An executor ran out of memory',
    hint: 'Raise executor_memory or spark.executor.memoryOverhead, or split the data into more partitions.',
  },
  {
    pattern: /OutOfMemoryError:? ?([^\n]*)/,
    sentence: (found, { master }) =>
      `${master.startsWith('local') ? 'The driver' : 'The driver or an executor'} ran out of memory${found === '' ? '' : ` (${found})`}`,
    hint: 'Raise driver_memory or executor_memory, or split the data into more partitions.',
  },
]

/** Lines kept: the first of each cause, and what the program said last. */
const TAIL_LINES = 200

/** Listens to the log of spark-submit and sums up a failure in one sentence. */
export class SparkFailure {
  readonly #causes = new Map<Cause, string>()
  // The driver's Python writes its traceback to stdout, Spark and Java theirs to stderr, at the same time.
  readonly #tails: Record<'stdout' | 'stderr', string[]> = { stdout: [], stderr: [] }

  line(text: string, stream: 'stdout' | 'stderr'): void {
    if (text.trim() === '') return
    const tail = this.#tails[stream]
    tail.push(text)
    if (tail.length > TAIL_LINES) tail.shift()
    for (const cause of CAUSES) {
      if (this.#causes.has(cause)) continue
      const match = cause.pattern.exec(text)
      if (match !== null) this.#causes.set(cause, match.slice(1).find((group) => group !== undefined) ?? '')
    }
  }

  /** @returns OPERATOR_FAILED whose message is one sentence with the cause and how the program ended */
  error(failed: FailedApplication): SluiceError {
    const cause = CAUSES.find((one) => this.#causes.has(one))
    const end = endSentence(failed.end)
    if (cause === undefined) {
      const { stdout, stderr } = this.#tails
      const exception = pythonException(stdout) ?? pythonException(stderr) ?? javaException(stderr)
      const said = shorten(exception ?? lastTrouble(stderr))
      return new SluiceError('OPERATOR_FAILED', said === null ? `${end}.` : `${said} (${end})`)
    }
    const message = `${cause.sentence(this.#causes.get(cause) ?? '', failed)} (${end}).`
    return new SluiceError('OPERATOR_FAILED', message, {
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      retryable: cause.retryable ?? true,
    })
  }
}

const TRACEBACK = /^Traceback \(most recent call last\)/
const EXCEPTION = /^([A-Za-z_][\w.]*\.)?([A-Za-z_]\w*)(?::\s*(.*))?$/

/**
 * `AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] …` from the last traceback of the driver. An exception of the JVM that py4j
 * carries is named by itself, and one of a Python worker by what the function raised.
 */
function pythonException(lines: readonly string[]): string | null {
  const start = lines.findLastIndex((line) => TRACEBACK.test(line))
  if (start === -1) return null
  const rest = lines.slice(start + 1)
  const at = rest.findIndex((line) => /^[A-Za-z_]/.test(line))
  const [, , name = '', text = ''] = EXCEPTION.exec(rest[at] ?? '') ?? []
  if (name === '') return null
  // py4j itself has refused (there is no such method): what it says stands in the next line.
  if (name === 'Py4JError' && text.endsWith('Trace:')) return withoutPackage(rest[at + 1] ?? text)
  if (name !== 'Py4JJavaError') return text === '' ? name : `${name}: ${text}`
  const jvm = rest.findIndex((line, index) => index > at && line.startsWith(': '))
  return deepestCause(rest) ?? (jvm === -1 ? `${name}: ${text}` : causeAt(rest, jvm, ': '))
}

/** The deepest `Caused by:` after an uncaught exception of the JVM, else that exception. */
function javaException(lines: readonly string[]): string | null {
  const start = lines.findLastIndex((line) => /^Exception in thread /.test(line))
  if (start === -1) return null
  const first = (lines[start] ?? '').replace(/^Exception in thread "[^"]*" /, '')
  return deepestCause(lines.slice(start + 1)) ?? withoutPackage(first)
}

const CAUSED_BY = 'Caused by: '

function deepestCause(lines: readonly string[]): string | null {
  const at = lines.findLastIndex((one) => one.startsWith(CAUSED_BY))
  return at === -1 ? null : causeAt(lines, at, CAUSED_BY)
}

/** The exception of the JVM in that line, or what a Python worker has raised where it only hands on the traceback. */
function causeAt(lines: readonly string[], at: number, prefix: string): string {
  const text = (lines[at] ?? '').slice(prefix.length)
  if (!text.endsWith('PythonException: Traceback (most recent call last):')) return withoutPackage(text)
  const raised = lines.slice(at + 1).find((line) => /^[A-Za-z_]/.test(line))
  return withoutPackage(raised ?? text)
}

/** `java.lang.IllegalStateException: no rows` -> `IllegalStateException: no rows` */
function withoutPackage(text: string): string {
  return text.replace(/^(?:[\w$]+\.)+([A-Z][\w$]*)/, '$1')
}

/** Notes of the JVM, and entries of Spark's log that tell no error. */
const NO_TROUBLE = /^WARNING: |^[\d/:,. TZ-]+ (TRACE|DEBUG|INFO|WARN)\b/

/** `Error: Unrecognized option` of spark-submit itself, else the last line at the margin. */
function lastTrouble(lines: readonly string[]): string | undefined {
  const own = lines.findLast((line) => /^(Error|ERROR): /.test(line))
  return (own ?? lines.findLast((line) => /^\S/.test(line) && !NO_TROUBLE.test(line)))?.trim()
}
