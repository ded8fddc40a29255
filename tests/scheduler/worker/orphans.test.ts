import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { endLeftProcesses, killMarked } from '../../../scheduler/worker/orphans.js'
import { INSTANCE_MARKER } from '../../../scheduler/worker/task-environment.js'
import { isAlive } from './worker-project.js'

const left: number[] = []
afterEach(() => {
  for (const pid of left.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
})

async function sleeper(name: string, value: string): Promise<number> {
  const child = spawn('sleep', ['60'], { env: { ...process.env, [name]: value }, stdio: 'ignore' })
  await once(child, 'spawn')
  const { pid } = child
  if (pid === undefined) throw new Error('the process has no pid')
  left.push(pid)
  return pid
}

describe('what a predecessor has left running', () => {
  it('is killed, and only that', async () => {
    const value = randomUUID()
    await sleeper('SLUICE_TEST', value)
    const other = await sleeper('SLUICE_TEST', randomUUID())
    expect(await killMarked(`SLUICE_TEST=${value}`)).toEqual({ killed: ['sleep'], left: [] })
    expect(isAlive(other)).toBe(true)
  })

  it('is named when it cannot be ended', async () => {
    const value = randomUUID()
    const pid = await sleeper('SLUICE_TEST', value)
    expect(await killMarked(`SLUICE_TEST=${value}`, 0)).toEqual({ killed: [], left: [{ pid, name: 'sleep' }] })
  })

  it('is told to people, ended or not', async () => {
    const instance = randomUUID()
    const pid = await sleeper(INSTANCE_MARKER, instance)
    const said: { level: string; processes: unknown }[] = []
    const note = (level: string) => (fields: object) =>
      void said.push({ level, processes: 'processes' in fields ? fields.processes : null })
    const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
    await endLeftProcesses(instance, log, 0)
    await endLeftProcesses(instance, log)
    await endLeftProcesses(instance, log)
    expect(said).toEqual([
      { level: 'error', processes: [{ pid, name: 'sleep' }] },
      { level: 'warn', processes: ['sleep'] },
    ])
  })
})
