/** A trouble that Spark's own words tell, and what a user is told of it. */
export interface FailureCause {
  pattern: RegExp
  /** what to say; `found` is the first group of the pattern that has caught something */
  sentence(found: string, failed: { master: string }): string
  hint?: string
}

/** A cause, and what its pattern has found. */
export interface FoundCause {
  cause: FailureCause
  found: string
}

const CLASS_HINT = 'Check `class`, and add the jar with `jars` or `packages`.'
const noClass = (found: string) => `The class ${found} is in none of the jars`
const noPython = (found: string) => `The Python interpreter ${found} is not there`
const PYTHON_HINT = 'Install it on driver and executors, or set PYSPARK_PYTHON in `env` of the connection.'

/** What spark-submit (in a cluster: the driver's launcher) says when it cannot start the application: it would say so again. */
export const OWN_CAUSES: readonly FailureCause[] = [
  {
    pattern: /JAVA_HOME is not set|Unable to locate a Java Runtime|: (?:exec: )?java: (?:command )?not found/,
    sentence: () => 'There is no Java on this worker',
    hint: 'Install Java 17 or newer, or set JAVA_HOME in `env` of the connection.',
  },
  {
    pattern: /^Exception in thread "main" java\.io\.IOException: Cannot run program "([^"]*python[^"]*)"/,
    sentence: noPython,
    hint: PYTHON_HINT,
  },
  {
    pattern: /: can't open file '([^']+)'|^Error: (?:Failed to load|Cannot load main class from) JAR (\S+)/,
    sentence: (found) => `The application ${found} cannot be opened`,
  },
  {
    pattern:
      /^Error: Failed to load class ([\w.$]*[\w$])|^Exception in thread "main" java\.lang\.ClassNotFoundException: ([\w.$]*[\w$])/,
    sentence: noClass,
    hint: CLASS_HINT,
  },
]

/** What exceptions tell, in the order of how much they explain; the same attempt may go better another time. */
export const CAUSES: readonly FailureCause[] = [
  { pattern: /Cannot run program "([^"]*python[^"]*)"/, sentence: noPython, hint: PYTHON_HINT },
  { pattern: /ClassNotFoundException: ([\w.$]*[\w$])/, sentence: noClass, hint: CLASS_HINT },
  {
    pattern:
      /unresolved dependency: ([^\s:]+(?::[^\s:]+)?[^\s:]*)(?:: not found)?|^\s*:: ([\w.-]+#[\w.-]+;\S+): not found/m,
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

/** The first of the causes that the text tells; null for none. */
export function causeIn(text: string, causes: readonly FailureCause[]): FoundCause | null {
  for (const cause of causes) {
    const match = cause.pattern.exec(text)
    if (match !== null) return { cause, found: match.slice(1).find((group) => group !== undefined) ?? '' }
  }
  return null
}
