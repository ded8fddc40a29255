import { logEntryLevel } from './log-lines.js'

/** The exception that a program has ended with. */
export interface LastException {
  /** in one line, e.g. `ValueError: no rows` */
  said: string
  /** its words and those of its causes, one a line */
  text: string
  /** it comes from Spark's launcher, which has not begun the application */
  byLauncher: boolean
}

/** Lines kept of one exception: this many of its beginning, and as many of its end. */
const KEPT_LINES = 100
/** Exceptions kept that are the cause of the next one, as Python tells them. */
const KEPT_CAUSES = 3

const TRACEBACK = /^Traceback \(most recent call last\)/
const DIRECT_CAUSE = /^The above exception was the direct cause of the following exception:/
const UNCAUGHT_MAIN = /^Exception in thread "main" /
/** Another thread of the JVM, which goes on without it. */
const UNCAUGHT_ELSEWHERE = /^Exception in thread "/
const UNCAUGHT = /\bSparkUncaughtExceptionHandler: /
const LAUNCHER = /^\s+at org\.apache\.spark\.deploy\.(?:PythonRunner|worker\.DriverWrapper)\b/
const CAUSED_BY = 'Caused by: '

/** Listens to one stream of a program for the exceptions that may end it. Memory is bounded, however much is said. */
export class LastExceptions {
  #python: FewLines | null = null
  #pythonCauses: FewLines[] = []
  #java: FewLines | null = null
  #javaGoesOn = false
  #byLauncher = false
  #last = ''

  /** @param line is not blank */
  line(line: string): void {
    const atMargin = /^\S/.test(line)
    if (TRACEBACK.test(line)) this.#beginPython()
    else if (atMargin) this.#python?.push(line)
    this.#listenToJava(line, atMargin)
    if (atMargin) this.#last = line
  }

  /**
   * The last traceback.
   * @param exitCode of the program. An exception ends Python with 1; another code is the program's own choice, and then only
   * a traceback with nothing behind it can be the reason.
   */
  python(exitCode: number | null): LastException | null {
    if (this.#python === null) return null
    const lines = this.#python.all()
    const at = lines.findIndex((line) => /^[A-Za-z_]/.test(line))
    const said = pythonException(lines, at)
    if (said === null) return null
    if (exitCode !== 1 && lines.slice(at + 1).some((line) => !OF_THE_JVM.test(line))) return null
    const text = [...this.#pythonCauses.flatMap((cause) => cause.all()), ...lines].join('\n')
    return { said, text, byLauncher: false }
  }

  /** The last exception that has ended the main thread, or the whole JVM. */
  java(): LastException | null {
    if (this.#java === null) return null
    const [first = '', ...causes] = this.#java.all()
    const said = deepestCause(causes) ?? withoutPackage(first.replace(UNCAUGHT_MAIN, ''))
    return { said, text: [first, ...causes].join('\n'), byLauncher: this.#byLauncher }
  }

  #beginPython(): void {
    const isCause = this.#python !== null && DIRECT_CAUSE.test(this.#last)
    this.#pythonCauses = isCause && this.#python ? [...this.#pythonCauses, this.#python].slice(-KEPT_CAUSES) : []
    this.#python = new FewLines()
  }

  #listenToJava(line: string, atMargin: boolean): void {
    if (logEntryLevel(line) !== null) {
      // The handler's entry is followed by the exception itself.
      this.#javaGoesOn = UNCAUGHT.test(line)
      if (this.#javaGoesOn) this.#beginJava()
    } else if (UNCAUGHT_MAIN.test(line)) {
      this.#beginJava()
      this.#java?.push(line)
      this.#javaGoesOn = true
    } else if (UNCAUGHT_ELSEWHERE.test(line)) this.#javaGoesOn = false
    else if (!this.#javaGoesOn) return
    else if (atMargin) this.#java?.push(line)
    else if (LAUNCHER.test(line)) this.#byLauncher = true
  }

  #beginJava(): void {
    this.#java = new FewLines()
    this.#byLauncher = false
  }
}

/** The first lines and the last ones. */
class FewLines {
  readonly #first: string[] = []
  readonly #last: string[] = []

  push(line: string): void {
    if (this.#first.length < KEPT_LINES) this.#first.push(line)
    else if (this.#last.push(line) > KEPT_LINES) this.#last.shift()
  }

  all(): string[] {
    return [...this.#first, ...this.#last]
  }
}

const EXCEPTION = /^([A-Za-z_][\w.]*\.)?([A-Za-z_]\w*)(?::\s*(.*))?$/
/** What py4j tells of an exception of the JVM, behind the one of Python. */
const OF_THE_JVM = /^(?:: |Caused by: |Driver stacktrace:)/

/**
 * `AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] …` of a traceback. An exception of the JVM that py4j carries is named by itself,
 * and one of a Python worker by what the function raised.
 * @param at line that names it
 */
function pythonException(lines: readonly string[], at: number): string | null {
  const [, , name = '', text = ''] = EXCEPTION.exec(lines[at] ?? '') ?? []
  if (name === '') return null
  // py4j itself has refused (there is no such method): what it says stands in the next line.
  if (name === 'Py4JError' && text.endsWith('Trace:')) return withoutPackage(lines[at + 1] ?? text)
  if (name !== 'Py4JJavaError') return text === '' ? name : `${name}: ${text}`
  const jvm = lines.findIndex((line, index) => index > at && line.startsWith(': '))
  return deepestCause(lines) ?? (jvm === -1 ? `${name}: ${text}` : causeAt(lines, jvm, ': '))
}

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
