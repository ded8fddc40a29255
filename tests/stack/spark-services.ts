import type { ConnectionConfig } from '../../lakehouse/config.js'

/** The variable, or the failure of the suite: nothing here is skipped because it is missing. */
function variable(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`set ${name}: tests/stack needs Spark`)
  return value
}

/** The machine's Spark as a connection; `SPARK_SUBMIT` and, where they are set, its own variables. */
export function sparkConnection(own: Record<string, unknown> = {}): ConnectionConfig {
  const env: Record<string, string> = {}
  for (const name of ['SPARK_HOME', 'SPARK_CONF_DIR', 'PYSPARK_PYTHON', 'JAVA_HOME', 'PATH', 'HOME']) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  return { type: 'spark', submit: variable('SPARK_SUBMIT'), master: 'local[2]', env, ...own }
}

/** `bin/spark-class`, which starts Spark's own daemons. */
export function sparkClass(): string {
  return `${sparkHome()}/bin/spark-class`
}

export function sparkHome(): string {
  return variable('SPARK_HOME')
}
