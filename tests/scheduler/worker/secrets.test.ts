import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WorkerProject } from './worker-project.js'

const SECRET = 'tOpS3cret-value'
const LONG = 'x'.repeat(16 * 1024 - 5)

const DAG = `dag: secrets
tasks:
  says:
    env: { PASSWORD: "\${env:SLUICE_TEST_PASSWORD}", KEY: "\${file:key.pem}" }
    bash: |
      echo "password $PASSWORD"
      echo "key: $KEY"
      printf '%s' "${LONG}"; echo "$PASSWORD"
      printf '{"token": "%s"}' "$PASSWORD" > "$SLUICE_OUTPUTS"
  fails: { env: { PASSWORD: "\${env:SLUICE_TEST_PASSWORD}" }, bash: 'echo "no access with $PASSWORD" >&2; exit 1' }
  missing: { env: { NONE: "\${env:SLUICE_TEST_NONE}" }, retries: 3, bash: ["true"] }
  smuggled: { env: { ARG: "{{ params.text }}" }, bash: [echo, "{{ params.text }}"] }
params: { text: { type: string, default: "\${env:SLUICE_TEST_PASSWORD}" } }
`

let project: WorkerProject

beforeEach(async () => {
  process.env.SLUICE_TEST_PASSWORD = SECRET
  project = await WorkerProject.start({ 'dags/secrets.yaml': DAG, 'key.pem': 'line one of key\nline two of key\n' })
})

afterEach(async () => {
  await project.close()
  delete process.env.SLUICE_TEST_PASSWORD
})

describe('secrets', () => {
  it('are resolved for the task and hidden in its log, outputs and reason, also where a long line is cut', async () => {
    const { run, tasks } = await project.run('secrets')
    const messages = await project.messages(run, 'says')
    expect(messages.slice(0, 3)).toEqual(['password ********', 'key: ********', '********'])
    const rest = messages.slice(3).join('')
    expect(rest.replaceAll(/x+/g, 'x')).toBe('x********')
    expect(tasks.says?.outputs).toEqual({ token: '********' })
    expect(tasks.fails?.reason).toBe('exit code 1: no access with ********')
    const everything = JSON.stringify([...project.store.tables.attempts.values()].map((rows) => [...rows.values()]))
    expect(everything).not.toContain(SECRET)
  })

  it('that are missing fail the task at once, naming place and variable', async () => {
    const { tasks } = await project.run('secrets')
    expect(tasks.missing).toMatchObject({ state: 'failed', attempt: 1 })
    expect(tasks.missing?.reason).toBe(
      `task missing, env.NONE names \${env:SLUICE_TEST_NONE}, but the environment variable SLUICE_TEST_NONE is not set.`,
    )
  })

  it('cannot be named by a parameter', async () => {
    const { run, tasks } = await project.run('secrets')
    expect(tasks.smuggled?.state).toBe('failed')
    expect(tasks.smuggled?.reason).toContain('only the DAG file may')
    expect(await project.messages(run, 'smuggled')).not.toContain(SECRET)
  })
})
