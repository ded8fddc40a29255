import { afterAll, describe, expect, it } from 'vitest'
import type { ConnectionConfig } from '../../../lakehouse/config.js'
import type { SparkSubmitConfig } from '../../../operators/spark/config.js'
import { sparkTarget } from '../../../operators/spark/connection.js'
import { parseProperties, propertiesText } from '../../../operators/spark/defaults.js'
import { placeFiles } from '../../../operators/spark/files.js'
import { type Submission, submissionOf, submitterEnvironment } from '../../../operators/spark/submission.js'
import { TestProject } from '../operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

const PLACE = { properties: '/attempt/spark.conf', eventLog: '/attempt/spark-events', marker: 'm-1' }
const LOCAL = { application: 'file:/opt/app.jar' }

function submission(
  config: SparkSubmitConfig,
  connection: Omit<ConnectionConfig, 'type'> | null = null,
  defaults: Record<string, string> = {},
  env: Record<string, string> = { CRM_KEY: 's3cret', SLUICE_INTERVAL_START: '2026-01-01T06:00:00.000Z' },
): Submission {
  const ctx = project.context(
    { 'jobs/rfm.py': 'print(1)', 'jobs/features.py': 'x = 1' },
    {
      token: 'sales/run-1/rfm/1',
      env,
      ...(connection === null ? {} : { connections: { spark: { type: 'spark', ...connection } } }),
    },
  )
  return submissionOf(
    config,
    sparkTarget(config, ctx),
    { text: '', properties: defaults },
    placeFiles(config, ctx),
    PLACE,
    ctx,
  )
}

/** Options before the application, `--conf` as one map; what follows is the application and its arguments. */
function parsed({ argv }: Submission) {
  const options: Record<string, string> = {}
  const conf: Record<string, string> = {}
  let at = 1
  for (; argv[at]?.startsWith('--'); at += 2) {
    const [flag = '', value = ''] = argv.slice(at, at + 2)
    if (flag !== '--conf') options[flag] = value
    else conf[value.slice(0, value.indexOf('='))] = value.slice(value.indexOf('=') + 1)
  }
  return { program: argv[0], options, conf, application: argv.slice(at) }
}

describe('the command line', () => {
  it('has every key as the option of spark-submit', () => {
    const { program, options, conf, application } = parsed(
      submission({
        application: 's3a://jobs/app.jar',
        class: 'com.example.App',
        args: ['--date', '2026-01-01; rm -rf /', ''],
        name: 'rfm',
        master: 'spark://master:7077',
        conf: { 'spark.sql.shuffle.partitions': 64, 'spark.sql.ansi.enabled': true },
        packages: ['a:b:1', 'c:d:2'],
        repositories: ['https://repo.example.com'],
        jars: ['https://host/x.jar', '/opt/y.jar'],
        py_files: ['s3a://jobs/z.zip'],
        files: ['local:/etc/segments.csv'],
        driver_memory: '1g',
        driver_cores: 2,
        executor_memory: '4g',
        executor_cores: 3,
        total_executor_cores: 12,
        num_executors: 4,
        queue: 'etl',
      }),
    )
    expect(program).toBe('spark-submit')
    expect(options).toEqual({
      '--master': 'spark://master:7077',
      '--deploy-mode': 'client',
      '--name': 'rfm',
      '--class': 'com.example.App',
      '--packages': 'a:b:1,c:d:2',
      '--repositories': 'https://repo.example.com',
      '--jars': 'https://host/x.jar,/opt/y.jar',
      '--py-files': 's3a://jobs/z.zip',
      '--files': 'local:/etc/segments.csv',
      '--driver-memory': '1g',
      '--driver-cores': '2',
      '--executor-memory': '4g',
      '--executor-cores': '3',
      '--total-executor-cores': '12',
      '--num-executors': '4',
      '--queue': 'etl',
    })
    expect(conf).toMatchObject({ 'spark.sql.shuffle.partitions': '64', 'spark.sql.ansi.enabled': 'true' })
    expect(application).toEqual(['s3a://jobs/app.jar', '--date', '2026-01-01; rm -rf /', ''])
  })

  it.each([
    ['local[*]', 'local', 'client'],
    ['spark://a:7077,b:7077', 'standalone', 'cluster'],
    ['yarn', 'yarn', 'cluster'],
    ['k8s://https://kubernetes:6443', 'kubernetes', 'cluster'],
  ])('knows the master %s', (master, manager, mode) => {
    const made = submission(LOCAL, { master, deploy_mode: mode })
    expect(made).toMatchObject({ master, manager, deployMode: mode })
    expect(parsed(made).options).toMatchObject({ '--master': master, '--deploy-mode': mode })
  })

  it('runs here on all cores when nothing says otherwise, and as the installation says when it does', () => {
    expect(submission(LOCAL)).toMatchObject({ master: 'local[*]', deployMode: 'client' })
    const defaults = { 'spark.master': 'yarn', 'spark.submit.deployMode': 'cluster' }
    expect(submission(LOCAL, null, defaults)).toMatchObject({ master: 'yarn', deployMode: 'cluster' })
    expect(submission({ ...LOCAL, master: 'local[2]', deploy_mode: 'client' }, null, defaults).master).toBe('local[2]')
  })

  it('tells the job and its commits whose they are', () => {
    const { conf } = parsed(submission({ ...LOCAL, conf: { 'spark.sluice.token': 'another' } }))
    expect(conf).toMatchObject({
      'spark.sluice.token': 'sales/run-1/rfm/1',
      'spark.sluice.run_id': 'run-1',
      'spark.sluice.interval_end': '2026-01-02T06:00:00.000Z',
      'spark.sql.iceberg.snapshot-property.sluice.token': 'sales/run-1/rfm/1',
    })
    const metadata = JSON.parse(conf['spark.databricks.delta.commitInfo.userMetadata'] ?? '')
    expect(metadata).toEqual({
      sluice: { dag: 'sales', run: 'run-1', task: 'task', attempt: 1, token: 'sales/run-1/rfm/1' },
    })
  })

  it('keeps the interval from a task whose environment does not have it', () => {
    const { conf } = parsed(submission(LOCAL, null, {}, {}))
    expect(Object.keys(conf).filter((key) => key.includes('interval'))).toEqual([])
  })

  it('keeps the connection’s properties, which may be secrets, out of the process list', () => {
    const made = submission(LOCAL, { conf: { 'spark.hadoop.fs.s3a.secret.key': 's3cret' } })
    expect(made.argv.join(' ')).not.toContain('s3cret')
    expect(made.argv).toContain('/attempt/spark.conf')
    expect(made.properties).toEqual({ 'spark.hadoop.fs.s3a.secret.key': 's3cret' })
  })

  it.each([
    ['yarn', 'spark.yarn.appMasterEnv.CRM_KEY'],
    ['k8s://https://kubernetes:6443', 'spark.kubernetes.driverEnv.CRM_KEY'],
  ])('gives a driver inside %s the environment of the task, by the file', (master, key) => {
    const made = submission(LOCAL, { master, deploy_mode: 'cluster' })
    expect(made.properties).toMatchObject({ [key]: 's3cret' })
    expect(Object.keys(made.properties ?? {}).join(' ')).not.toMatch(/\.(PATH|HOME)\b/)
    expect(made.argv.join(' ')).not.toContain('s3cret')
  })

  it.each([
    ['of the task', { conf: { 'spark.eventLog.dir': 's3a://history' } }, null, {}],
    ['of the connection', {}, { conf: { 'spark.eventLog.dir': 's3a://history' } }, {}],
    ['of the installation', {}, null, { 'spark.eventLog.dir': 's3a://history', 'spark.eventLog.enabled': 'true' }],
    ['switched off', {}, null, { 'spark.eventLog.enabled': 'false' }],
  ])('leaves an event log alone: %s', (_, config, connection, defaults) => {
    const made = submission({ ...LOCAL, ...config }, connection, defaults)
    expect(made.eventLog).toBeNull()
    expect(parsed(made).conf['spark.eventLog.dir']).not.toBe('file:///attempt/spark-events')
    expect(submission(LOCAL).eventLog).toBe('/attempt/spark-events')
  })

  it('has its driver inside a cluster log into a folder of its own, where both reach one', () => {
    const inside = { master: 'spark://m:7077', deploy_mode: 'cluster' }
    expect(submission(LOCAL, inside).eventLog).toBeNull()
    const made = submission(LOCAL, { ...inside, event_log: '/mnt/events' })
    expect(made.eventLog).toBe('/mnt/events/m-1')
    expect(parsed(made).conf).toMatchObject({
      'spark.eventLog.enabled': 'true',
      'spark.eventLog.dir': 'file:///mnt/events/m-1',
      'spark.sluice.submission': 'm-1',
    })
    expect(() => submission(LOCAL, { ...inside, event_log: 'events' })).toThrow(
      'expected the absolute path of a folder',
    )
  })

  it('leaves alone what somebody has set in its place', () => {
    const metadata = 'spark.databricks.delta.commitInfo.userMetadata'
    expect(parsed(submission(LOCAL, { conf: { [metadata]: 'theirs' } })).conf).not.toHaveProperty([metadata])
    expect(parsed(submission({ ...LOCAL, conf: { [metadata]: 'theirs' } })).conf[metadata]).toBe('theirs')
  })

  it('is tagged in YARN by its submission, beside the tags that somebody has set', () => {
    const tags = (config: SparkSubmitConfig, connection: object = {}) =>
      parsed(submission(config, { master: 'yarn', ...connection })).conf['spark.yarn.tags']
    expect(tags(LOCAL)).toBe('sluice-m-1')
    expect(tags(LOCAL, { conf: { 'spark.yarn.tags': 'etl,nightly' } })).toBe('etl,nightly,sluice-m-1')
    expect(tags({ ...LOCAL, conf: { 'spark.yarn.tags': 'mine' } })).toBe('mine,sluice-m-1')
    expect(parsed(submission(LOCAL)).conf).not.toHaveProperty(['spark.yarn.tags'])
  })

  it('gives its driver in Kubernetes a name of its own, so that it is known before it is submitted', () => {
    const inside = { master: 'k8s://x', deploy_mode: 'cluster' }
    const pod = 'spark.kubernetes.driver.pod.name'
    const made = submission(
      { ...LOCAL, name: 'Sales / daily RFM of all the customers of the whole wide world' },
      inside,
    )
    const name = 'sales-daily-rfm-of-all-the-customers-of-the-whole-wide-worl-m-1'
    expect(name.length).toBeLessThanOrEqual(63)
    expect(made.driver).toBe(`default:${name}`)
    expect(parsed(made).conf).toMatchObject({ [pod]: name, 'spark.kubernetes.driver.label.sluice-submission': 'm-1' })
    const elsewhere = submission(LOCAL, { ...inside, conf: { 'spark.kubernetes.namespace': 'etl' } })
    expect(elsewhere.driver).toMatch(/^etl:[a-z][a-z0-9-]*-m-1$/)
    expect(submission({ ...LOCAL, name: '日次' }, inside).driver).toBe('default:d-m-1')
  })

  it('knows no driver in Kubernetes by a name that somebody else has chosen', () => {
    const made = submission(
      { ...LOCAL, conf: { 'spark.kubernetes.driver.pod.name': 'theirs' } },
      { master: 'k8s://x', deploy_mode: 'cluster' },
    )
    expect(made.driver).toBeNull()
    expect(parsed(made).conf['spark.kubernetes.driver.pod.name']).toBe('theirs')
    expect(submission(LOCAL, { master: 'k8s://x', deploy_mode: 'client' }).driver).toBeNull()
  })

  it('asks no pages that are off', () => {
    expect(submission(LOCAL).uiPort).toBe(4040)
    expect(submission({ ...LOCAL, conf: { 'spark.ui.port': 5050 } }).uiPort).toBe(5050)
    expect(submission(LOCAL, null, { 'spark.ui.enabled': 'false' }).uiPort).toBeNull()
    const inside = { deploy_mode: 'cluster' }
    expect(submission(LOCAL, { ...inside, master: 'spark://m:7077' }).uiPort).toBe(4040)
    expect(submission(LOCAL, { ...inside, master: 'yarn' }).uiPort).toBeNull()
  })

  it.each([
    ['local[2]', 'file:/opt/app.jar', /needs a cluster, and the master is local/],
    ['spark://m:7077', 'file:/opt/app.py', /runs no Python application in deploy_mode cluster/],
  ])('refuses at once what Spark refuses late: %s, %s', (master, application, message) => {
    expect(() => submission({ application, master, deploy_mode: 'cluster' })).toThrow(message)
  })
})

describe('files', () => {
  it('of Python come from the version of the DAG, others from the project', () => {
    const jar = project.write('jars/udf.jar', 'jar')
    const made = parsed(
      submission({
        application: 'jobs/rfm.py',
        py_files: ['jobs/features.py'],
        jars: ['jars/udf.jar'],
        files: ['jars/udf.jar#a'],
      }),
    )
    expect(made.application[0]).toMatch(/\/files\/dags\/jobs\/rfm\.py$/)
    expect(made.options['--py-files']).toMatch(/\/files\/dags\/jobs\/features\.py$/)
    expect(made.options['--jars']).toBe(jar)
    expect(made.options['--files']).toBe(`${jar}#a`)
  })

  it('outside the project, or missing, are refused', () => {
    expect(() => submission({ application: '../../x.jar' })).toThrow(/application: ..\/..\/x.jar leads outside/)
    expect(() => submission({ ...LOCAL, jars: ['jars/none.jar'] })).toThrow(/spark_submit.jars: there is no file/)
  })
})

describe('the connection', () => {
  it.each([
    [{ type: 'http', url: 'http://x' }, /is of type http, not spark/],
    [{ type: 'spark', master: 7 }, /connections.spark: master must be a text/],
    [{ type: 'spark', conf: [] }, /conf must be a map/],
    [{ type: 'spark', mastr: 'x' }, /mastr is not known/],
  ])('%j is refused', (connection, message) => {
    const ctx = project.context({}, { connections: { spark: connection } })
    expect(() => sparkTarget(LOCAL, ctx)).toThrow(message)
  })

  it('says which spark-submit runs', () => {
    const target = (connection: object) =>
      sparkTarget(LOCAL, project.context({}, { connections: { spark: { type: 'spark', ...connection } } }))
    expect(target({ spark_home: '/opt/spark' })).toMatchObject({ submit: '/opt/spark/bin/spark-submit' })
    expect(target({ spark_home: '/opt/spark' }).env.SPARK_HOME).toBe('/opt/spark')
    expect(target({ submit: '/venv/bin/spark-submit', env: { SPARK_HOME: '/opt/spark' } })).toMatchObject({
      submit: '/venv/bin/spark-submit',
      home: '/opt/spark',
    })
  })
})

describe('properties', () => {
  it('are read as Spark writes them, and written so that nothing breaks out', () => {
    const text = '# note\nspark.master  local[2]\nspark.a=b c\n  spark.c : d\n\nnovalue\n'
    expect(parseProperties(text)).toEqual({ 'spark.master': 'local[2]', 'spark.a': 'b c', 'spark.c': 'd' })
    expect(propertiesText({ a: 'x\nspark.evil=1\\', b: 'é' })).toBe('a=x\\nspark.evil=1\\\\\nb=\\u00e9\n')
  })
})

describe('the environment of spark-submit', () => {
  const env = { PATH: '/bin', SLUICE_RUN: 'r', SLUICE_CLAIM: 'c', SLUICE_INSTANCE: 'i' }

  it('has no mark of the worker where the driver inherits it and outlives the worker', () => {
    const kept = submitterEnvironment({ manager: 'standalone', deployMode: 'cluster' }, env)
    expect(kept).toEqual({ PATH: '/bin', SLUICE_RUN: 'r' })
  })

  it.each([
    ['standalone', 'client'],
    ['local', 'client'],
    ['yarn', 'cluster'],
  ] as const)('keeps them on %s, deploy mode %s: what runs here ends with the worker', (manager, deployMode) => {
    expect(submitterEnvironment({ manager, deployMode }, env)).toEqual(env)
  })
})
