import type { JsonSchema } from '../../json.js'
import { TABLE_SCHEMA } from '../tables/destination.js'

/** The long form of the operator `spark_submit`. */
export type SparkSubmitConfig = {
  application: string
  class?: string
  args?: string[]
  name?: string
  connection?: string
  master?: string
  deploy_mode?: 'client' | 'cluster'
  conf?: Record<string, string | number | boolean>
  packages?: string[]
  repositories?: string[]
  jars?: string[]
  py_files?: string[]
  files?: string[]
  driver_memory?: string
  driver_cores?: number
  executor_memory?: string
  executor_cores?: number
  total_executor_cores?: number
  num_executors?: number
  queue?: string
  writes?: string[]
}

/** A Python file of the project: a relative path, no URI and no absolute path. */
export const PROJECT_PYTHON = '^(?![A-Za-z][A-Za-z0-9+.-]*:)(?!/).*\\.py$'

const MEMORY: JsonSchema = {
  type: 'string',
  pattern: '^[0-9]+[kmgtKMGT]?[bB]?$',
  'x-expects': 'a size as Spark writes it, such as 512m or 4g',
  'x-template': 'none',
  examples: ['512m', '4g'],
}
const COUNT: JsonSchema = { type: 'integer', minimum: 1, maximum: 100_000 }
const COORDINATES: JsonSchema = {
  type: 'string',
  pattern: '^[^:,\\s]+:[^:,\\s]+:[^:,\\s]+$',
  'x-expects': 'Maven coordinates, group:artifact:version',
  'x-template': 'none',
}

/** A list of files: Python files of the project belong to the version of the DAG, others are read when the task runs. */
function fileList(title: string, description: string, examples: string[]): JsonSchema {
  return {
    title,
    description: `${description} Paths relative to the DAG file, or URIs (\`file:/\`, \`s3a://\`, \`https://\`, \`local:/\`).`,
    type: 'array',
    uniqueItems: true,
    items: {
      type: 'string',
      minLength: 1,
      pattern: '^[^,]+$',
      'x-expects': 'one path or URI, without commas',
      'x-file': true,
      'x-file-pattern': PROJECT_PYTHON,
      'x-file-template': 'none',
      'x-template': 'text',
    },
    examples: [examples],
  }
}

const APPLICATION: JsonSchema = {
  title: 'Application',
  description:
    'A Python file or jar: a path relative to the DAG file, or a URI. A Python file of the project belongs to the version of the DAG.',
  type: 'string',
  minLength: 1,
  // A word that begins with a dash would be an option of spark-submit.
  pattern: '^[^-]',
  'x-expects': 'a path or URI, not beginning with a dash',
  'x-file': true,
  'x-file-pattern': PROJECT_PYTHON,
  'x-file-template': 'none',
  'x-template': 'text',
  examples: ['jobs/rfm.py', 's3a://jobs/rfm-1.2.jar'],
}

/** The keys of `spark_submit`. */
export const SPARK_PROPERTIES: Record<string, JsonSchema> = {
  application: APPLICATION,
  class: {
    title: 'Main class',
    description: 'Class with the main method; for jars whose manifest names none.',
    type: 'string',
    pattern: '^[A-Za-z_$][A-Za-z0-9_$.]*$',
    'x-expects': 'the full name of a class',
    'x-template': 'none',
    examples: ['com.example.Rfm'],
  },
  args: {
    title: 'Arguments',
    description: 'Arguments of the application.',
    type: 'array',
    items: { type: 'string', 'x-template': 'text' },
    examples: [['--date', '{{ interval.start }}']],
  },
  name: {
    title: 'Name',
    description: 'Name of the application in Spark’s own pages; without it, DAG and task.',
    type: 'string',
    minLength: 1,
    maxLength: 200,
    'x-template': 'text',
    examples: ['rfm'],
  },
  connection: {
    title: 'Connection',
    description: 'Connection of type `spark`; without it, the connection `spark` when there is one, else `local[*]`.',
    type: 'string',
    minLength: 1,
    'x-template': 'none',
    examples: ['spark'],
  },
  master: {
    title: 'Master',
    description: 'Cluster manager, in place of the connection’s.',
    type: 'string',
    pattern: '^(local(\\[[0-9*]+(,[0-9]+)?\\])?|spark://\\S+|yarn|k8s://\\S+)$',
    'x-expects': 'local[N], spark://host:port, yarn or k8s://https://host:port',
    'x-template': 'none',
    examples: ['local[2]', 'spark://spark-master:7077', 'yarn', 'k8s://https://kubernetes:6443'],
  },
  deploy_mode: {
    title: 'Deploy mode',
    description: '`client` runs the driver on the worker, `cluster` inside the cluster.',
    enum: ['client', 'cluster'],
  },
  conf: {
    title: 'Configuration',
    description: 'Properties of Spark. They stand in the process list of the worker: secrets belong in the connection.',
    type: 'object',
    propertyNames: { pattern: '^[A-Za-z][A-Za-z0-9_.\\-]*$', 'x-expects': 'the name of a property of Spark' },
    additionalProperties: { type: ['string', 'number', 'boolean'], 'x-template': 'text' },
    examples: [{ 'spark.sql.shuffle.partitions': 200 }],
  },
  packages: {
    title: 'Packages',
    description: 'Maven coordinates that Spark downloads.',
    type: 'array',
    uniqueItems: true,
    items: COORDINATES,
    examples: [['io.delta:delta-spark_2.13:4.0.0']],
  },
  repositories: {
    title: 'Repositories',
    description: 'Further Maven repositories for `packages`.',
    type: 'array',
    uniqueItems: true,
    items: { type: 'string', pattern: '^[^,\\s]+$', 'x-expects': 'one URL', 'x-template': 'none' },
    examples: [['https://repo.example.com/maven']],
  },
  jars: fileList('Jars', 'Jars for driver and executors.', ['jars/shop-udfs.jar']),
  py_files: fileList('Python files', 'Modules (`.py`, `.zip`, `.egg`) the job imports.', ['jobs/features.py']),
  files: fileList('Files', 'Files laid into the working folder of each executor.', ['jobs/segments.csv']),
  driver_memory: { ...MEMORY, title: 'Driver memory', description: 'Heap of the driver.' },
  driver_cores: { ...COUNT, title: 'Driver cores', description: 'Cores of the driver, in deploy mode `cluster`.' },
  executor_memory: { ...MEMORY, title: 'Executor memory', description: 'Heap of each executor.' },
  executor_cores: { ...COUNT, title: 'Executor cores', description: 'Cores of each executor.' },
  total_executor_cores: {
    ...COUNT,
    title: 'All executor cores',
    description: 'Cores of all executors together, on a standalone cluster.',
  },
  num_executors: { ...COUNT, title: 'Executors', description: 'Number of executors.' },
  queue: {
    title: 'YARN queue',
    description: 'Queue of YARN; not the queue of Sluice’s workers, which is a key of the task.',
    type: 'string',
    minLength: 1,
    'x-template': 'none',
    examples: ['etl'],
  },
  writes: {
    title: 'Tables written',
    description:
      'Tables the job writes. Their histories are read before and after it, and what it committed is linked to the run.',
    type: 'array',
    minItems: 1,
    uniqueItems: true,
    items: TABLE_SCHEMA,
    examples: [['bronze.orders']],
  },
}
