import type { JsonSchema } from '../json.js'
import { DUCKDB_MEMORY_LIMIT, DUCKDB_MOST_THREADS, POSTGRES_DEFAULTS } from '../lakehouse/config.js'
import { DEFAULT_ALLOW_PRIVATE } from '../operators/http/config.js'
import { SMTP_DEFAULTS } from './config-defaults.js'

/** Types of connections that belong to later versions of Sluice: said to be so, instead of being unknown. */
export const LATER_CONNECTIONS: ReadonlySet<string> = new Set(['airbyte'])

/** Decimal and binary units, as DuckDB writes sizes. */
export const SIZE_PATTERN = '^\\d+(\\.\\d+)?\\s*([KMGT]i?B)$'

const TEXT: JsonSchema = { type: 'string', minLength: 1 }
const HTTP_ADDRESS: JsonSchema = {
  type: 'string',
  pattern: '^(https?://|\\$\\{)',
  'x-expects': 'an http(s) address',
}
const HTTP_ORIGIN: JsonSchema = {
  type: 'string',
  pattern: '^(https?://[^/\\s]+/?$|\\$\\{)',
  'x-expects': 'an http(s) address without a path',
}
const PORT: JsonSchema = { type: 'integer', minimum: 1, maximum: 65_535 }
const TEXTS: JsonSchema = { type: 'object', additionalProperties: { type: 'string' } }
const PLAIN_VALUES: JsonSchema = { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } }
const CA: JsonSchema = {
  ...TEXT,
  description: 'PEM file of a certificate authority to trust besides the usual ones, relative to the project.',
}

const S3: JsonSchema = {
  description: 'A store of objects: S3, MinIO and the like. Guide: [object storage](../guides/object-storage.md).',
  type: 'object',
  additionalProperties: false,
  // Without keys the AWS SDK looks for them where it always does.
  dependentRequired: { access_key: ['secret_key'], secret_key: ['access_key'], session_token: ['access_key'] },
  properties: {
    type: { const: 's3' },
    endpoint: { ...HTTP_ORIGIN, description: 'Address of a store that is not AWS.', 'x-default': 'AWS' },
    region: {
      ...TEXT,
      description: 'Region of the bucket.',
      'x-default': 'that of the environment (`AWS_REGION`), else `us-east-1` with an `endpoint`',
    },
    path_style: {
      type: 'boolean',
      description: '`http://host/bucket` instead of `http://bucket.host`.',
      'x-default': '`true` with an `endpoint`, else `false`',
    },
    access_key: {
      ...TEXT,
      description: 'Name of the key that requests are signed with.',
      'x-default': 'what the AWS SDK finds: environment, shared files, container and instance roles',
    },
    secret_key: { ...TEXT, description: `The key itself, best as \`\${env:NAME}\`.` },
    session_token: { ...TEXT, description: 'Token of a key that was given for a while.' },
    ca: CA,
  },
}

const TRINO: JsonSchema = {
  description:
    'An engine for `sql` and `quality_check`, for all of them under the name `lakehouse`. Guide: [Trino](../guides/trino.md).',
  type: 'object',
  additionalProperties: false,
  required: ['url', 'user'],
  properties: {
    type: { const: 'trino' },
    url: { ...HTTP_ORIGIN, description: 'Address of the coordinator.' },
    user: { ...TEXT, description: 'The user that queries run as.' },
    password: {
      ...TEXT,
      description: `Its password, best as \`\${env:NAME}\`; needs an \`https://\` address, since Trino takes none over http.`,
    },
    ca: CA,
    session: { ...PLAIN_VALUES, description: 'Session properties of every statement, `name` or `catalog.name`.' },
  },
}

const SPARK: JsonSchema = {
  description:
    'Where `spark_submit` runs; the one named `spark` is taken by tasks that name none. Guide: [Spark](../guides/spark.md).',
  type: 'object',
  additionalProperties: false,
  properties: {
    type: { const: 'spark' },
    master: {
      type: 'string',
      pattern: '^(local(\\[[0-9*]+(,[0-9]+)?\\])?|spark://\\S+|yarn|k8s://\\S+|\\$\\{.*)$',
      'x-expects': 'local[N], spark://host:port, yarn or k8s://https://host:port',
      description: 'Where applications run.',
      'x-default': '`spark.master` of `conf` or `spark-defaults.conf`, else `local[*]`',
    },
    deploy_mode: {
      enum: ['client', 'cluster'],
      description: 'Where the driver runs: beside the worker, or inside the cluster.',
      'x-default': '`spark.submit.deployMode` of `conf` or `spark-defaults.conf`, else `client`',
    },
    spark_home: {
      ...TEXT,
      description: 'Folder of the installation of Spark on the worker.',
      'x-default': '`SPARK_HOME` of `env`, or of the `env` of the task',
    },
    submit: {
      ...TEXT,
      description: 'The program that submits, by its name or absolute path.',
      'x-default': '`bin/spark-submit` of `spark_home`, else `spark-submit` on the `PATH`',
    },
    submission_url: {
      ...HTTP_ADDRESS,
      description: "A standalone master's submission server, for drivers inside its cluster.",
      'x-default': 'port 6066 beside the master',
    },
    web_url: {
      ...HTTP_ADDRESS,
      description:
        "A standalone master's web UI, by which logs of drivers inside its cluster, and submissions of a lost worker, are found.",
      'x-default': 'port 8080 beside the master',
    },
    event_log: {
      type: 'string',
      pattern: '^(/|\\$\\{)',
      'x-expects': 'the absolute path of a shared folder',
      description:
        'A folder that workers and a standalone cluster reach by the same path, for whole figures of drivers inside it.',
    },
    conf: {
      ...PLAIN_VALUES,
      description:
        'Properties of every application, in a file with mode 0600, so secrets belong here; keys of the task win.',
    },
    env: { ...TEXTS, description: 'Environment of spark-submit, such as `JAVA_HOME`; it wins over that of the task.' },
  },
}

const DUCKDB: JsonSchema = {
  description:
    'The embedded engine of `sql`, `quality_check` and `ingest`. `lakehouse` is one unless `sluice.yaml` says otherwise; beside a Trino of that name, ' +
    'one named `embedded` reads files.',
  type: 'object',
  additionalProperties: false,
  properties: {
    type: { const: 'duckdb' },
    memory_limit: {
      type: 'string',
      pattern: SIZE_PATTERN,
      'x-expects': 'a size such as 512MB or 2GB',
      description: 'What it may take of memory in each slot of a worker that runs SQL; beyond it spills to disk.',
      default: DUCKDB_MEMORY_LIMIT,
    },
    threads: {
      type: 'integer',
      minimum: 1,
      maximum: 1024,
      description: 'Threads in each slot.',
      'x-default': `one for each processor, at most ${DUCKDB_MOST_THREADS}`,
    },
  },
}

const POSTGRES: JsonSchema = {
  description:
    'A database to [ingest](operators/ingest.md) from, or with the catalog of [Iceberg tables](../guides/iceberg.md). To ingest, give it a user that may only read.',
  type: 'object',
  additionalProperties: false,
  required: ['host', 'database'],
  properties: {
    type: { const: 'postgres' },
    host: { ...TEXT, description: 'Name or address of the server.' },
    port: { ...PORT, description: 'Its port.', default: POSTGRES_DEFAULTS.port },
    database: { ...TEXT, description: 'The database.' },
    user: { ...TEXT, description: 'The role to log in as.', 'x-default': '`PGUSER`, else `USER` of the process' },
    password: {
      ...TEXT,
      description: `Its password, best as \`\${env:NAME}\`.`,
      'x-default': '`PGPASSWORD` of the process',
    },
    tls: {
      enum: ['off', 'required', 'verified'],
      description: '`required` encrypts, `verified` also checks who the server is.',
      default: POSTGRES_DEFAULTS.tls,
    },
    ca: CA,
  },
}

const SMTP: JsonSchema = {
  description: 'A mail server, for `alerts.email`. Guide: [alerts](../guides/alerts.md).',
  type: 'object',
  additionalProperties: false,
  required: ['host'],
  dependentRequired: { user: ['password'], password: ['user'] },
  properties: {
    type: { const: 'smtp' },
    host: { ...TEXT, description: 'Name or address of the server.' },
    port: { ...PORT, description: 'Its port.', default: SMTP_DEFAULTS.port },
    user: { ...TEXT, description: 'The account to log in as.', 'x-default': 'no login' },
    password: { ...TEXT, description: `Its password, best as \`\${env:NAME}\`.` },
    tls: {
      enum: ['required', 'opportunistic', 'none'],
      description:
        '`required`: nothing is sent without a verified certificate; `opportunistic`: TLS where it is offered; `none`.',
      default: SMTP_DEFAULTS.tls,
    },
    ca: CA,
  },
}

const WEBHOOK: JsonSchema = {
  description:
    'An address that alerts are sent to as JSON, as Slack and those like it take it. Guide: [alerts](../guides/alerts.md#what-a-message-says).',
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    type: { const: 'webhook' },
    url: { ...HTTP_ADDRESS, description: 'Where messages go; it may be a private address.' },
    secret: { ...TEXT, description: 'Key of the signature in `x-sluice-signature`.', 'x-default': 'unsigned' },
    headers: { ...TEXTS, description: 'Headers of each request besides those that Sluice sets.' },
  },
}

const INCOMING_WEBHOOK: JsonSchema = {
  description:
    'Whoever may start runs by `POST /hooks/<dag>/<name>`. Guide: [triggers](../guides/triggers.md#webhooks).',
  type: 'object',
  additionalProperties: false,
  required: ['secret'],
  properties: {
    type: { const: 'incoming_webhook' },
    // short secrets are guessed; one that is named is looked at when it is used
    secret: {
      type: 'string',
      pattern: '^(.{16,}|\\$\\{.*)$',
      'x-expects': 'a named secret, or a text of at least 16 characters',
      description: 'The key that deliveries are signed with, as text or in base64 behind `whsec_`.',
    },
  },
}

const HTTP: JsonSchema = {
  description:
    'A service that [`http`](operators/http.md) and `wait_for` ask, with its headers. Without `url`, and with `allow_private: true`, a connection for whole URLs ' +
    'at any address, which carries no headers.',
  type: 'object',
  additionalProperties: false,
  // A connection for one service has its URL; one for whole URLs at any address says that it is.
  anyOf: [{ required: ['url'] }, { required: ['allow_private'] }],
  properties: {
    type: { const: 'http' },
    allow_private: {
      type: 'boolean',
      description:
        'Whether requests may go to the machine and its network; those to the origin of `url` may without it.',
      default: DEFAULT_ALLOW_PRIVATE,
    },
    url: { ...HTTP_ADDRESS, description: 'Address of the service; tasks name the path below it.' },
    headers: { ...TEXTS, description: 'Sent with each request, in place of those of the task; they may hold secrets.' },
  },
}

/** By the connection's `type`. */
export const CONNECTION_SCHEMAS: Record<string, JsonSchema> = {
  s3: S3,
  trino: TRINO,
  spark: SPARK,
  duckdb: DUCKDB,
  postgres: POSTGRES,
  smtp: SMTP,
  webhook: WEBHOOK,
  incoming_webhook: INCOMING_WEBHOOK,
  http: HTTP,
}
