import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { SluiceError } from '../../../errors.js'
import type { Json, JsonObject } from '../../../json.js'
import type { ConnectionConfig } from '../../../lakehouse/config.js'
import type { OperatorFailure } from '../../../operators/operator.js'
import { readHandle } from '../../../operators/spark/handle.js'
import { sparkSubmit } from '../../../operators/spark-submit.js'
import { type ContextOptions, eventually, failureOf, type TestContext, TestProject } from '../operator-context.js'
import { FAKE_SPARK_SUBMIT } from './fake-spark-submit.js'

const project = new TestProject()
const handles: Json[] = []
beforeAll(() => {
  chmodSync(project.write('../bin/spark-submit', FAKE_SPARK_SUBMIT), 0o755)
  chmodSync(project.write('../bin/yarn', YARN), 0o755)
})
afterEach(() => {
  handles.length = 0
})
afterAll(() => project.remove())

/** what the stand-ins for the tools of a cluster were called with */
const killed = join(project.root, 'killed')

/** Lists as YARN does one application that runs, and one that names another in its columns. */
const YARN = `#!/bin/sh
echo "$@" >> ${killed}
[ "$2" = -list ] || exit 0
echo "Total number of applications (application-types: [], states: [RUNNING] and tags: [$4]):1"
printf 'application_1700000000000_0007\\tapplication_1_1\\tSPARK\\n'
`

function context(options: ContextOptions & { spark?: Omit<ConnectionConfig, 'type'> } = {}): TestContext {
  const ctx = project.context(
    {},
    {
      env: { PATH: `${project.project}/bin:${process.env.PATH ?? ''}` },
      connections: { spark: { type: 'spark', ...options.spark } },
      ...options,
    },
  )
  return { ...ctx, saveHandle: async (handle) => void handles.push(handle) }
}

function job(name: string, text: string) {
  project.write(`jobs/${name}.jar`, text)
  return { application: `jobs/${name}.jar` }
}

const metricsOf = async (run: Promise<unknown>) => ((await failureOf(run)) as OperatorFailure).facts.metrics

describe('an application', () => {
  it('is known and saved before it is waited for, its figures are kept', async () => {
    const config = job(
      'figures',
      `(argv, { event }) => {
        event('TaskEnd', { 'Task End Reason': { Reason: 'Success' }, 'Task Metrics': { 'Output Metrics': { 'Records Written': 3 } } })
      }`,
    )
    const result = await sparkSubmit.run(config, context())
    expect(handles).toMatchObject([
      { manager: 'local', applicationId: null, marker: expect.any(String) },
      { manager: 'local', applicationId: 'local-1700000000000' },
    ])
    expect(result.metrics).toMatchObject({ tasks: 1, rows_written: 3 })
    expect(result.summary).toBe('1 task, 3 rows written')
  })

  it('is saved as soon as the log tells its id, not at the next look', async () => {
    const told: string[] = []
    const ctx = context({ spark: { master: 'yarn', deploy_mode: 'cluster' } })
    const line = 'INFO Client: Submitted application application_1700000000000_0042'
    const config = job('told', `() => { console.error('26/01/01 00:00:00 ${line}') }`)
    await sparkSubmit.run(config, {
      ...ctx,
      log: (_, message) => {
        if (!message.endsWith(line)) return
        told.push('log')
        setImmediate(() => told.push('later'))
      },
      saveHandle: async (handle) => {
        if ((handle as JsonObject | null)?.applicationId != null) told.push('saved')
      },
    })
    expect(told).toEqual(['log', 'saved', 'later'])
  })

  it('that fails keeps its figures, and leaves nothing to follow', async () => {
    const config = job(
      'half',
      `(argv, { event }) => {
        event('TaskEnd', { 'Task End Reason': { Reason: 'ExceptionFailure' } })
        process.exit(1)
      }`,
    )
    expect(await metricsOf(sparkSubmit.run(config, context()))).toMatchObject({ tasks: 0, failed_tasks: 1 })
    expect(handles.at(-1)).toBeNull()
  })

  it('gets the installation’s defaults with the connection’s properties, in a file nobody else can read', async () => {
    const config = job(
      'conf',
      `(argv, { conf, require }) => {
        const fs = require('fs'), file = conf['--properties-file']
        console.log((fs.statSync(file).mode & 0o777).toString(8))
        console.log(fs.readFileSync(file, 'utf8'))
      }`,
    )
    const folder = join(project.root, 'spark-conf')
    project.write(join(folder, 'spark-defaults.conf'), 'spark.sql.shuffle.partitions 2\n')
    const ctx = context({ spark: { env: { SPARK_CONF_DIR: folder }, conf: { 'spark.x': 'from the connection' } } })
    await sparkSubmit.run(config, ctx)
    expect(ctx.lines).toContain('info 600')
    expect(ctx.lines).toContain('info spark.sql.shuffle.partitions 2')
    expect(ctx.lines).toContain('info spark.x=from the connection')
  })

  it('says what to install where there is no spark-submit', async () => {
    const ctx = context({ spark: { spark_home: '/no/spark' } })
    const failure = await failureOf(sparkSubmit.run(job('any', '() => {}'), ctx))
    expect(failure).toMatchObject({
      code: 'PROGRAM_MISSING',
      retryable: false,
      message: '/no/spark/bin/spark-submit does not exist.',
      hint: expect.stringContaining('pip install pyspark'),
    })
  })
})

const WAIT = `() => {
  console.error('26/01/01 00:00:00 INFO Client: Application report for application_1700000000000_0042 (state: RUNNING)')
  setInterval(() => {}, 1000)
}`

describe('what an earlier or cancelled attempt has started', () => {
  it('in YARN is killed there at a cancel', async () => {
    writeFileSync(killed, '')
    const ctx = context({ spark: { master: 'yarn', deploy_mode: 'cluster' } })
    const run = failureOf(sparkSubmit.run(job('wait', WAIT), ctx))
    await eventually('its id is saved', () => (handles.at(-1) as JsonObject | undefined)?.applicationId != null)
    const reason = new SluiceError('CANCELLED', 'Cancelled by ada.')
    ctx.controller.abort(reason)
    expect(await run).toBe(reason)
    expect(readFileSync(killed, 'utf8')).toBe('application -kill application_1700000000000_0042\n')
  })

  it('in YARN is found by its tag and killed, when it was lost before it told its id', async () => {
    writeFileSync(killed, '')
    const handle = { marker: 'm', manager: 'yarn', deployMode: 'cluster', master: 'yarn', tables: {} }
    const ctx = context({ spark: { master: 'yarn', deploy_mode: 'cluster' } })
    await sparkSubmit.reattach?.(handle, job('quick', '() => console.log("again")'), ctx)
    const states = 'NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING'
    expect(readFileSync(killed, 'utf8')).toBe(
      `application -list -appTags sluice-m -appStates ${states}\napplication -kill application_1700000000000_0007\n`,
    )
    expect(ctx.lines).toContain('info again')
  })

  it('in YARN is killed before another is submitted', async () => {
    writeFileSync(killed, '')
    const handle = {
      marker: 'm',
      manager: 'yarn',
      deployMode: 'cluster',
      master: 'yarn',
      applicationId: 'application_1_7',
    }
    const ctx = context({ spark: { master: 'yarn', deploy_mode: 'cluster' } })
    await sparkSubmit.reattach?.({ ...handle, tables: {} }, job('quick', '() => console.log("again")'), ctx)
    expect(readFileSync(killed, 'utf8')).toBe('application -kill application_1_7\n')
    expect(ctx.lines).toContain('info again')
  })

  it('in Kubernetes has an id that is saved before it is submitted', async () => {
    const spark = { master: 'k8s://x', deploy_mode: 'cluster', conf: { 'spark.kubernetes.namespace': 'etl' } }
    await sparkSubmit.run(
      job('pod', '(argv, { conf }) => console.log(Object.values(conf).join(" "))'),
      context({ spark }),
    )
    const { marker, submissionId } = handles[0] as JsonObject
    expect(submissionId).toMatch(new RegExp(`^etl:[a-z0-9-]+-${String(marker)}$`))
  })

  it('in Kubernetes is killed by its submission id', async () => {
    const kill = `#!/bin/sh\necho "$@" >> ${killed}\n`
    chmodSync(project.write('../bin/k8s-submit', kill), 0o755)
    writeFileSync(killed, '')
    const handle = {
      marker: 'm',
      manager: 'kubernetes',
      deployMode: 'cluster',
      master: 'k8s://x',
      submissionId: 'etl:rfm',
    }
    const spark = { master: 'k8s://x', deploy_mode: 'cluster', submit: `${project.project}/bin/k8s-submit` }
    await sparkSubmit.reattach?.({ ...handle, tables: {} }, job('quick', '() => {}'), context({ spark }))
    expect(readFileSync(killed, 'utf8').split('\n')[0]).toBe('--master k8s://x --kill etl:rfm')
  })

  it('on this worker is killed before another is submitted', async () => {
    const left = context()
    // the first attempt's context is never aborted, as if its worker had gone without a word
    const lost = failureOf(
      sparkSubmit.run(job('left', '() => { console.log("up"); setInterval(() => {}, 1000) }'), left),
    )
    await eventually('it is up', () => left.lines.includes('info up'))
    const ctx = context()
    await sparkSubmit.reattach?.(handles[0] ?? null, job('next', '() => console.log("next")'), ctx)
    expect((await lost).message).toMatch(/^killed by SIGKILL/)
    expect(ctx.lines.some((line) => /^warn Ending .* left behind by an earlier attempt/.test(line))).toBe(true)
    expect(ctx.lines).toContain('info next')
  })

  it('is read from a handle only when all of it is there', () => {
    const handle = {
      marker: 'm',
      manager: 'yarn',
      deployMode: 'client',
      master: 'yarn',
      applicationId: 'a',
      tables: { t: 1 },
    }
    const unknown = {
      submissionId: null,
      host: null,
      mainClass: null,
      eventLog: null,
      uiPort: null,
      submittedAt: 0,
    }
    expect(readHandle(handle)).toEqual({ ...handle, ...unknown })
    for (const key of ['marker', 'manager', 'deployMode', 'master'])
      expect(readHandle({ ...handle, [key]: 7 })).toBeNull()
    expect(readHandle({ ...handle, tables: { t: 'x' }, applicationId: 3 })).toMatchObject({
      tables: { t: null },
      applicationId: null,
    })
  })

  it.each([[null], ['x'], [{ marker: 1 }], [{ marker: 'm', master: 'yarn', manager: 'mesos', deployMode: 'client' }]])(
    'is unknown from a handle like %j, so the job starts anew',
    async (handle) => {
      const ctx = context()
      await sparkSubmit.reattach?.(handle, job('anew', '() => console.log("anew")'), ctx)
      expect(ctx.lines).toContain('info anew')
    },
  )
})
