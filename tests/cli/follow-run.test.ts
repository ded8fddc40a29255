import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Client } from '../../cli/client.js'
import { followRun } from '../../cli/follow-run.js'

let server: Server
let client: Client
let answers: { shape: (() => object)[]; events: ((response: ServerResponse) => void)[] }
const never = new AbortController().signal

/** Answers in turn; the last one stays. */
function next<T>(list: T[]): T | undefined {
  return list.length > 1 ? list.shift() : list[0]
}

beforeEach(async () => {
  server = createServer((request, response) => {
    if (request.url?.endsWith('/events')) next(answers.events)?.(response)
    else response.end(JSON.stringify(next(answers.shape)?.()))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  client = new Client({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: '' })
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const shape = (ended: boolean, tasks: object[] = []) => ({
  run: 'r',
  state: ended ? 'success' : 'running',
  ended_at: ended ? '2026-01-01T00:00:00.000Z' : null,
  tasks,
})

function listener() {
  const heard: string[] = []
  return {
    heard,
    start: (run: { state: string }) => void heard.push(`start ${run.state}`),
    task: (task: { task: string; state: string }) => void heard.push(`${task.task} ${task.state}`),
    run: (run: { state: string }) => void heard.push(`run ${run.state}`),
  }
}

describe('following a run', () => {
  it('hears each change and ends with the run as it ended', async () => {
    answers = {
      shape: [() => shape(false), () => shape(true, [{ task: 'a', state: 'success' }])],
      events: [
        (response) => {
          response.write(': hello\n\nevent: task\ndata: {"task":"a","state":"running"}\n\n')
          response.write('event: run\ndata: {"state":"suc')
          response.end('cess"}\n\n')
        },
      ],
    }
    const listen = listener()
    expect(await followRun(client, 'r', listen, never)).toMatchObject({ state: 'success' })
    expect(listen.heard).toEqual(['start running', 'a running', 'run success', 'a success'])
  })

  it('goes on when Sluice restarts meanwhile', async () => {
    answers = {
      shape: [() => shape(false), () => shape(false), () => shape(true)],
      events: [
        (response) => {
          response.write('event: task\ndata: {"task":"a","state":"running"}\n\n')
          setImmediate(() => response.destroy())
        },
        (response) => response.end(),
      ],
    }
    const listen = listener()
    expect(await followRun(client, 'r', listen, never)).toMatchObject({ state: 'success' })
    expect(listen.heard.filter((word) => word.startsWith('start'))).toHaveLength(1)
  })

  it('does not listen to a run that has ended', async () => {
    answers = {
      shape: [() => shape(true)],
      events: [() => expect.unreachable('the run has ended')],
    }
    expect(await followRun(client, 'r', listener(), never)).toMatchObject({ state: 'success' })
  })

  it('ends at once when it is aborted', async () => {
    answers = { shape: [() => shape(false)], events: [(response) => void response.write(': waiting\n\n')] }
    const controller = new AbortController()
    const listen = listener()
    const following = followRun(client, 'r', listen, controller.signal)
    setImmediate(() => controller.abort())
    await expect(following).rejects.toMatchObject({ name: 'AbortError' })
  })
})
