import { describe, expect, it } from 'vitest'
import { SparkFailure } from '../../../operators/spark/failure.js'

type Said = ['stdout' | 'stderr', string]

function failureOf(log: readonly Said[]) {
  const failure = new SparkFailure()
  for (const [stream, text] of log) for (const line of text.split('\n')) failure.line(line, stream)
  return failure
}

function errorOf(log: readonly Said[], exitCode: number | null = 1, master = 'spark://a:7077,b:7077') {
  const signal = exitCode === null ? 'SIGKILL' : null
  return failureOf(log).error({ master, end: { exitCode, signal } })
}

const traceback = (exception: string): Said => [
  'stdout',
  `Traceback (most recent call last):\n  File "/tmp/job.py", line 9, in <module>\n    raise it\n${exception}`,
]
const DOWN: Said = [
  'stderr',
  `08:51:50 WARN StandaloneAppClient$ClientEndpoint: Failed to connect to master a:7077
org.apache.spark.SparkException: Exception thrown in awaitResult: 
\tat org.apache.spark.util.SparkThreadUtils$.awaitResult(SparkThreadUtils.scala:53)
Caused by: java.io.IOException: Failed to connect to a/10.0.0.1:7077`,
]
const LOST: Said = [
  'stderr',
  `08:51:51 ERROR TaskSchedulerImpl: Lost executor 1 on 10.0.0.5: Command exited with code 137
08:51:51 WARN TaskSetManager: Lost task 0.0 in stage 0.0 (TID 0): ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: Command exited with code 137`,
]
const NO_MEMORY: Said = [
  'stderr',
  `08:51:52 ERROR Executor: Exception in task 0.0 in stage 0.0 (TID 0)
java.lang.OutOfMemoryError: Java heap space
\tat java.base/java.util.Arrays.copyOf(Arrays.java:3537)`,
]
const UNCAUGHT: Said = [
  'stderr',
  `08:51:53 ERROR SparkUncaughtExceptionHandler: Uncaught exception in thread Thread[Executor task launch worker,5,main]
java.lang.OutOfMemoryError: Java heap space
\tat java.base/java.util.Arrays.copyOf(Arrays.java:3537)
08:51:53 INFO ShutdownHookManager: Shutdown hook called`,
]
const KILLED: Said = [
  'stderr',
  '08:51:54 ERROR StandaloneSchedulerBackend: Application has been killed. Reason: All masters are unresponsive! Giving up.',
]
const lostJob = (why: string) =>
  traceback(`py4j.protocol.Py4JJavaError: An error occurred while calling o45.save.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times, most recent failure: Lost task 0.3 in stage 0.0 (TID 3) (10.0.0.5 executor 1): ${why}
Driver stacktrace:
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2)`)

describe('what ended the application decides', () => {
  const overcome = [DOWN, LOST, NO_MEMORY]
  it.each<[string, Said[], string, number?]>([
    ['a master that is down', [DOWN, traceback('ValueError: no rows')], 'ValueError: no rows (exit code 1)'],
    ['a lost executor', [LOST, traceback('ValueError: no rows')], 'ValueError: no rows (exit code 1)'],
    [
      'a class that was looked for',
      [['stdout', 'java.lang.ClassNotFoundException: x'], traceback('TimeoutError: try again')],
      'TimeoutError: try again (exit code 1)',
    ],
    ['all of them', [...overcome, traceback('KeyError: 7')], 'KeyError: 7 (exit code 1)'],
    [
      'all of them, in a jar',
      [
        ...overcome,
        ['stderr', 'Exception in thread "main" java.lang.IllegalStateException: no rows\n\tat A.main(A.java:3)'],
      ],
      'IllegalStateException: no rows (exit code 1)',
    ],
    [
      'an exception of another thread of a jar',
      [
        ['stderr', 'Exception in thread "main" java.lang.IllegalStateException: no rows'],
        ['stderr', 'Exception in thread "pool-1" java.lang.OutOfMemoryError: x\nCaused by: java.io.IOException: x'],
      ],
      'IllegalStateException: no rows (exit code 1)',
    ],
    [
      'an exception of another thread',
      [['stderr', 'Exception in thread "pool-1" java.lang.OutOfMemoryError: x'], traceback('KeyError: 7')],
      'KeyError: 7 (exit code 1)',
    ],
    [
      'an earlier traceback',
      [traceback('py4j.protocol.Py4JJavaError: x\n: java.lang.OutOfMemoryError: x'), traceback('KeyError: 7')],
      'KeyError: 7 (exit code 1)',
    ],
    ['a traceback before an exit of its own', [traceback('KeyError: 7'), ['stdout', 'bad day']], 'exit code 3.', 3],
    ['warnings before an exit of its own', [DOWN, ['stdout', 'OutOfMemoryError: x']], 'exit code 3.', 3],
    [
      'a log of what happened while it stopped',
      [
        ['stderr', 'Exception in thread "main" java.lang.IllegalStateException: no rows'],
        ['stderr', '08:52:00 ERROR Utils: Uncaught\njava.io.IOException: x\nCaused by: java.io.IOException: closed'],
      ],
      'IllegalStateException: no rows (exit code 1)',
    ],
  ])('over %s', (_, log, message, exitCode = 1) => {
    expect(errorOf(log, exitCode)).toMatchObject({ message, retryable: true })
  })

  it.each<[string, Said[], string, number?]>([
    [
      'the executors of the job that failed',
      [DOWN, lostJob('ExecutorLostFailure (executor 1 exited) Reason: Command exited with code 137')],
      'An executor ran out of memory (exit code 1).',
    ],
    [
      'a cause behind the exception',
      [lostJob('x\nCaused by: java.lang.ClassNotFoundException: com.x.Y')],
      'The class com.x.Y is in none of the jars (exit code 1).',
    ],
    [
      'the cause that Python names',
      [
        lostJob('java.lang.OutOfMemoryError: Java heap space'),
        ['stdout', '\nThe above exception was the direct cause of the following exception:\n'],
        traceback('RuntimeError: step 3'),
      ],
      'The driver or an executor ran out of memory (Java heap space) (exit code 1).',
    ],
    [
      'an interpreter that executors miss',
      [lostJob('java.io.IOException: Cannot run program "python3": error=2')],
      'The Python interpreter python3 is not there (exit code 1).',
    ],
    [
      'the exception that ended the JVM, before what Python makes of it',
      [NO_MEMORY, UNCAUGHT, traceback('ConnectionRefusedError: [Errno 111] Connection refused')],
      'The driver or an executor ran out of memory (Java heap space) (exit code 52).',
      52,
    ],
    [
      'the end of the application, before what fails because of it',
      [
        DOWN,
        KILLED,
        traceback('py4j.protocol.Py4JJavaError: x\n: java.lang.IllegalStateException: Cannot call methods'),
      ],
      'The master spark://a:7077,b:7077 cannot be reached (exit code 1).',
    ],
    [
      'an error in the log where there is no exception',
      [DOWN, NO_MEMORY],
      'The driver or an executor ran out of memory (Java heap space) (exit code 1).',
    ],
    [
      'what YARN says, where the driver has failed elsewhere',
      [
        ['stderr', '08:52:00 ERROR Client: Application diagnostics message: Container killed by YARN for x'],
        [
          'stderr',
          'Exception in thread "main" org.apache.spark.SparkException: Application application_1_2 finished with failed status',
        ],
      ],
      'An executor ran out of memory (exit code 1).',
    ],
  ])('by %s', (_, log, message, exitCode = 1) => {
    expect(errorOf(log, exitCode)).toMatchObject({ message, retryable: true, hint: expect.any(String) })
  })

  it('says what has killed the application, in its words', () => {
    const log: Said = [
      'stderr',
      '08:52:00 ERROR StandaloneSchedulerBackend: Application has been killed. Reason: Too many',
    ]
    expect(errorOf([log]).message).toBe('The application has been killed: Too many (exit code 1)')
  })

  it('names nothing of before when it was killed', () => {
    expect(errorOf([LOST, NO_MEMORY, traceback('KeyError: 7')], null).message).toBe(
      'killed by SIGKILL (out of memory?).',
    )
  })

  it('names a driver of a cluster, and what it said', () => {
    const end = 'The driver driver-1 ended as FAILED'
    const said = failureOf([['stderr', 'Exception in thread "main" java.lang.IllegalStateException: no rows']])
    expect(said.error({ master: 'spark://m', end }).message).toBe(`IllegalStateException: no rows (${end})`)
    expect(failureOf([]).error({ master: 'spark://m', end }).message).toBe(`${end}.`)
  })
})

describe('spark-submit’s own refusals', () => {
  it.each<[Said, string, number]>([
    [['stderr', 'WARNING: Using incubator modules: x\nError: Failed to load class no.Such.'], 'no.Such', 101],
    [['stdout', "/venv/bin/python: can't open file '/x/y.py': [Errno 2] No such file"], '/x/y.py', 2],
  ])('are not tried again: %j', (said, named, exitCode) => {
    expect(errorOf([said], exitCode)).toMatchObject({ message: expect.stringContaining(named), retryable: false })
  })

  it.each<[string, Said[], number]>([
    ['printed by a job', [['stdout', 'Error: Failed to load class no.Such.']], 1],
    ['followed by what was started', [['stderr', 'Error: Failed to load class no.Such.\nhello']], 1],
    ['not of the interpreter', [['stdout', "x: can't open file 'y'\nhello"]], 2],
    [
      'raised by the application',
      [['stderr', 'Exception in thread "main" java.lang.ClassNotFoundException: no.Such\n\tat App.main(App.java:7)']],
      1,
    ],
    ['not of the interpreter, by its code', [['stdout', "x: can't open file 'y'"]], 1],
  ])('are not what was %s', (_, log, exitCode) => {
    expect(errorOf(log, exitCode).retryable).toBe(true)
  })
})

it('keeps the name of an exception whose words are long, and its last cause, but not all of them', () => {
  const failure = new SparkFailure()
  const say = (line: string) => failure.line(line, 'stdout')
  for (const line of traceback('py4j.protocol.Py4JJavaError: x')[1].split('\n')) say(line)
  // what stands in the middle is dropped, or it would be taken for the cause
  for (let n = 0; n < 1_000; n += 1) say(n === 500 ? 'OutOfMemoryError: x' : `+- Project ${n}`)
  say('Caused by: java.io.IOException: disk full')
  expect(failure.error({ master: 'local', end: { exitCode: 1, signal: null } }).message).toBe(
    'IOException: disk full (exit code 1)',
  )
})
