import { describe, expect, it } from 'vitest'
import { SparkFailure } from '../../../operators/spark/failure.js'
import { SparkLogLines } from '../../../operators/spark/log-lines.js'

describe('lines of the log', () => {
  it.each([
    ['26/11/21 08:47:46 INFO SparkContext: Running', 'info'],
    ['08:47:46 WARN NativeCodeLoader: Unable', 'warn'],
    ['2026-11-21 08:47:46,123 ERROR TaskSetManager: Lost task', 'error'],
    ['2026-11-21T08:47:46.123Z DEBUG X: y', 'debug'],
    ['{"ts":"2026-11-21T08:47:46.123Z","level":"ERROR","msg":"Lost task"}', 'error'],
    ['Traceback (most recent call last):', 'error'],
    ['java.lang.IllegalStateException: no rows', 'error'],
    ['WARNING: Using incubator modules: jdk.incubator.vector', 'debug'],
    ['written to stderr by the job', 'warn'],
  ])('%s', (line, level) => {
    expect(new SparkLogLines().stderr(line)).toBe(level)
  })

  it('drops progress bars and blanks', () => {
    const lines = new SparkLogLines()
    expect(lines.stderr('[Stage 0:=====>        (1 + 2) / 4]')).toBeNull()
    expect(lines.stderr('[Stage 0:>  (0 + 2) / 4][Stage 1:>   (0 + 0) / 4]')).toBeNull()
    expect(lines.stderr('      ')).toBeNull()
    expect(lines.stderr('[Stage fright]')).toBe('warn')
  })

  it('keeps a stack trace with the entry it belongs to', () => {
    const lines = new SparkLogLines()
    const trace = [
      '08:51:50 ERROR Executor: Exception',
      'org.apache.spark.SparkException: x',
      '\tat a.b(C.scala:1)',
      'and so on',
    ]
    expect(trace.map((line) => lines.stderr(line))).toEqual(['error', 'error', 'error', 'error'])
    expect(lines.stderr('08:51:51 INFO Executor: next')).toBe('info')
    expect(lines.stderr('  continued')).toBe('info')
  })

  it.each([
    [
      '26/01/01 00:00:00 INFO StandaloneSchedulerBackend: Connected to Spark cluster with app ID app-20261121085100-0003',
      'app-20261121085100-0003',
      null,
    ],
    [
      '26/01/01 00:00:00 INFO Client: Application report for application_1700000000000_0042 (state: RUNNING)',
      'application_1700000000000_0042',
      null,
    ],
    [
      '00:00:00 INFO ClientApp: Driver successfully submitted as driver-20261121085100-0001',
      null,
      'driver-20261121085100-0001',
    ],
    [
      '00:00:00 INFO LoggingPodStatusWatcherImpl: Deployed Spark application rfm with application ID spark-0a1b2c and submission ID etl:rfm-driver into Kubernetes',
      'spark-0a1b2c',
      'etl:rfm-driver',
    ],
  ])('learns the ids: %s', (line, applicationId, submissionId) => {
    const lines = new SparkLogLines()
    lines.stderr(line)
    expect(lines.facts).toMatchObject({ applicationId, submissionId })
  })

  it('learns the address of the driver’s pages', () => {
    const lines = new SparkLogLines()
    lines.stderr('26/01/01 00:00:00 INFO SparkUI: Bound SparkUI to 0.0.0.0, and started at http://10.0.0.5:4041')
    expect(lines.facts.uiUrl).toBe('http://10.0.0.5:4041')
  })
})

type Stream = 'stdout' | 'stderr'

function errorOf(
  log: string | [Stream, string][],
  end: { exitCode: number | null; signal: NodeJS.Signals | null } | string = { exitCode: 1, signal: null },
  master = 'local[2]',
) {
  const failure = new SparkFailure()
  for (const [stream, text] of typeof log === 'string' ? ([['stderr', log]] as const) : log) {
    for (const line of text.split('\n')) failure.line(line, stream)
  }
  return failure.error({ master, end })
}

it('shows a traceback on stdout as an error, and what is printed after it as what it is', () => {
  const lines = new SparkLogLines()
  const text = ['hello', 'Traceback (most recent call last):', '  File "x"', 'KeyError: 7', 'bye']
  expect(text.map((line) => lines.stdout(line))).toEqual(['info', 'error', 'error', 'error', 'info'])
})

describe('a failure in one sentence', () => {
  it.each([
    ['Error: Failed to load class no.Such.', 'The class no.Such is in none of the jars (exit code 1).', false],
    ['java.lang.ClassNotFoundException: com.x.Y$Z', 'The class com.x.Y$Z is in none of the jars (exit code 1).', true],
    [
      `Exception in thread "main" java.lang.ClassNotFoundException: com.x.Y$Z
\tat java.base/java.lang.Class.forName(Class.java:467)
\tat org.apache.spark.deploy.worker.DriverWrapper$.main(DriverWrapper.scala:63)`,
      'The class com.x.Y$Z is in none of the jars (exit code 1).',
      false,
    ],
    [
      `Exception in thread "main" java.lang.reflect.InvocationTargetException
\tat org.apache.spark.deploy.worker.DriverWrapper$.main(DriverWrapper.scala:63)
Caused by: java.lang.ClassNotFoundException: com.x.Y$Z`,
      'The class com.x.Y$Z is in none of the jars (exit code 1).',
      true,
    ],
    [
      `Exception in thread "main" java.io.IOException: Cannot run program "python3": error=2, No such file
\tat java.base/java.lang.ProcessBuilder.start(ProcessBuilder.java:1143)
\tat org.apache.spark.deploy.PythonRunner$.main(PythonRunner.scala:121)
Caused by: java.io.IOException: error=2, No such file`,
      'The Python interpreter python3 is not there (exit code 1).',
      false,
    ],
    ['JAVA_HOME is not set', 'There is no Java on this worker (exit code 1).', false],
    [
      '\t\t:: io.delta#nothing_2.13;9.9.9: not found',
      'The package io.delta:nothing_2.13:9.9.9 was found in no repository (exit code 1).',
      true,
    ],
    [
      '26/01/01 00:00:00 ERROR StandaloneSchedulerBackend: Application has been killed. Reason: All masters are unresponsive! Giving up.',
      'The master spark://m:7077 cannot be reached (exit code 1).',
      true,
    ],
    [
      'java.lang.OutOfMemoryError: Java heap space',
      'The driver or an executor ran out of memory (Java heap space) (exit code 1).',
      true,
    ],
    [
      '26/01/01 00:00:00 ERROR X: Lost task: ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: Command exited with code 137',
      'An executor ran out of memory (exit code 1).',
      true,
    ],
  ])('%s', (log, message, retryable) => {
    expect(errorOf(log, undefined, 'spark://m:7077')).toMatchObject({ code: 'OPERATOR_FAILED', message, retryable })
  })

  it('names the exception of Python', () => {
    const log =
      'Traceback (most recent call last):\n  File "/tmp/job.py", line 9, in <module>\n    raise ValueError("no rows")\nValueError: no rows'
    expect(errorOf([['stdout', log]]).message).toBe('ValueError: no rows (exit code 1)')
  })

  it('names what a function on the executors has raised', () => {
    const log = `Traceback (most recent call last):
  File "/tmp/job.py", line 4, in <module>
pyspark.errors.exceptions.captured.PythonException: 
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/tmp/job.py", line 4, in <lambda>
ZeroDivisionError: division by zero
`
    expect(errorOf([['stdout', log]]).message).toBe('ZeroDivisionError: division by zero (exit code 1)')
  })

  it.each([
    ['Caused by: ', '\t... 1 more'],
    [': org.apache.spark.SparkException: Job aborted: Lost task 0.0: ', 'Driver stacktrace:'],
  ])('names what a function on the rows of an RDD has raised: %s', (before, behind) => {
    const log = `Traceback (most recent call last):
  File "/tmp/job.py", line 2, in <module>
py4j.protocol.Py4JJavaError: An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.
${before}org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/opt/pyspark/worker.py", line 1, in main
    process()
  File "/tmp/job.py", line 2, in <lambda>
ZeroDivisionError: division by zero

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:1)
${behind}`
    expect(errorOf([['stdout', log]]).message).toBe('ZeroDivisionError: division by zero (exit code 1)')
  })

  it('names what py4j itself has refused', () => {
    const log = `Traceback (most recent call last):
  File "/tmp/job.py", line 3, in <module>
py4j.protocol.Py4JError: An error occurred while calling o60.shout. Trace:
py4j.Py4JException: Method shout([]) does not exist
\tat py4j.reflection.ReflectionEngine.getMethod(ReflectionEngine.java:321)`
    expect(errorOf([['stdout', log]]).message).toBe('Py4JException: Method shout([]) does not exist (exit code 1)')
    expect(errorOf(log.split('\npy4j.Py4JE')[0] ?? '').message).toMatch(/^An error occurred while calling o60\.shout/)
  })

  it('looks through py4j to the deepest cause', () => {
    const log = `Traceback (most recent call last):
  File "/tmp/job.py", line 4, in <module>
py4j.protocol.Py4JJavaError: An error occurred while calling o45.save.
: org.apache.spark.SparkException: Job aborted.
\tat org.apache.spark.A.b(A.scala:1)
Caused by: java.io.IOException: disk full
\t... 12 more`
    expect(errorOf([['stdout', log]]).message).toBe('IOException: disk full (exit code 1)')
    expect(errorOf(log.split('\nCaused')[0] ?? '').message).toBe('SparkException: Job aborted. (exit code 1)')
  })

  it('names an uncaught exception of a jar', () => {
    const log = 'Exception in thread "main" java.lang.IllegalStateException: no rows\n\tat A.main(A.java:3)'
    expect(errorOf(log).message).toBe('IllegalStateException: no rows (exit code 1)')
  })

  it('finds the traceback that the driver’s Python writes to stdout', () => {
    const failure = new SparkFailure()
    failure.line('08:51:50 WARN NativeCodeLoader: Unable to load', 'stderr')
    for (const line of ['Traceback (most recent call last):', '  File "x"', 'KeyError: 7']) failure.line(line, 'stdout')
    expect(failure.error({ master: 'local', end: { exitCode: 1, signal: null } }).message).toBe(
      'KeyError: 7 (exit code 1)',
    )
  })

  it('says how a program ended that said nothing', () => {
    expect(errorOf('', { exitCode: null, signal: 'SIGKILL' }).message).toBe('killed by SIGKILL (out of memory?).')
    expect(errorOf('Error: Unrecognized option: --nope').message).toBe(
      'Error: Unrecognized option: --nope (exit code 1)',
    )
  })
})
