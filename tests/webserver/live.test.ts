import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fragment } from '../../webserver/live/fragments.js'
import { fillStore, LIVE_RUN, NOW, runIdOf } from './sample-store.js'
import { SampleWeb } from './sample-web.js'

const web = new SampleWeb()
const RUN = runIdOf(LIVE_RUN)
let cookie = ''

beforeAll(async () => {
  await web.open()
  await fillStore(web.store, web.database)
  await web.start()
  cookie = await web.login('viewer')
})
afterAll(() => web.close())

/** A browser's view of a stream: event names with their data, one at a time. */
class Stream {
  readonly #reader: AsyncGenerator<string>
  readonly #abort = new AbortController()

  private constructor(
    readonly response: Response,
    abort: AbortController,
  ) {
    this.#abort = abort
    this.#reader = eventsOf(response)
  }

  static async open(path: string, as = cookie, more: Record<string, string> = {}): Promise<Stream> {
    const abort = new AbortController()
    const response = await fetch(`${web.web.url}${path}`, {
      headers: { cookie: as, ...more },
      redirect: 'manual',
      signal: abort.signal,
    })
    return new Stream(response, abort)
  }

  async next(): Promise<{ event: string; id: string; data: unknown } | null> {
    const { value, done } = await this.#reader.next()
    if (done || value === undefined) return null
    const [, event = '', id = '', data = ''] = /^event: (.*)\n(?:id: (.*)\n)?data: (.*)$/.exec(value) ?? []
    return { event, id, data: JSON.parse(data) }
  }

  close(): void {
    this.#abort.abort()
  }
}

async function* eventsOf(response: Response): AsyncGenerator<string> {
  if (response.body === null) return
  let rest = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split('\n\n')
    rest = parts.pop() ?? ''
    yield* parts.filter((part) => part.startsWith('event:'))
  }
}

async function markOf(path: string): Promise<string> {
  return /data-mark="([^"]+)"/.exec(await web.page(path, cookie))?.[1] ?? ''
}

async function setTask(taskId: string, state: string): Promise<void> {
  await web.database.query('update task_runs set state = $3 where run_id = $1 and task_id = $2', [RUN, taskId, state])
  web.events.emit({ kind: 'task', dagId: 'orders_daily', runId: RUN, taskId, state: state as 'failed' })
}

describe('the run page live', () => {
  it('sends nothing that the page shows already, then single elements as they change', async () => {
    const stream = await Stream.open(`/live/runs/${RUN}?mark=${await markOf(`/runs/${RUN}`)}`)
    await setTask('audit_segments', 'running')
    const ids: string[] = []
    for (let swap = await stream.next(); swap !== null; swap = await stream.next()) {
      const fragment = swap.data as Fragment
      ids.push(fragment.id)
      expect(fragment.html).toContain(`id="${fragment.id}"`)
      if (fragment.id === 'n-audit_segments') {
        expect(fragment.svg).toBe(true)
        break
      }
    }
    expect(ids).toContain('run-head')
    expect(ids).toContain('t-audit_segments')
    expect(ids).not.toContain('t-bronze_orders')
    stream.close()
  })

  it('catches up a page that is behind', async () => {
    const stream = await Stream.open(`/live/runs/${RUN}?mark=old`)
    expect(await stream.next()).toMatchObject({ event: 'swap', data: { id: 'run-state' } })
    stream.close()
  })

  it('says when the run is over and ends', async () => {
    const stream = await Stream.open(`/live/runs/${RUN}?mark=${await markOf(`/runs/${RUN}`)}`)
    await web.database.query(`update runs set state = 'success', ended_at = $2 where run_id = $1`, [RUN, new Date(NOW)])
    web.events.emit({ kind: 'run', dagId: 'orders_daily', runId: RUN, state: 'success' })
    const events: string[] = []
    for (let event = await stream.next(); event !== null; event = await stream.next()) events.push(event.event)
    expect(events.at(-1)).toBe('over')
    expect(await web.page(`/runs/${RUN}`, cookie)).not.toContain('data-live')
    await web.database.query(`update runs set state = 'running', ended_at = null where run_id = $1`, [RUN])
  })

  it('loses no change that comes between the first reading and the listening', async () => {
    for (let round = 0; round < 5; round += 1) {
      await setTask('audit_segments', 'none')
      const opening = Stream.open(`/live/runs/${RUN}?mark=old`)
      await setTask('audit_segments', 'running')
      const stream = await opening
      for (let swap = await stream.next(); ; swap = await stream.next()) {
        if (swap === null) throw new Error('the stream ended')
        const { id, html } = swap.data as Fragment
        if (id === 't-audit_segments' && html.includes('s-running')) break
      }
      stream.close()
    }
  })
})

describe('the attempt page live', () => {
  const path = `/runs/${RUN}/tasks/gold_segments`

  async function setProgress(done: number): Promise<void> {
    const progress = { done, total: 42, unit: 'tasks', stages_done: 2, stages: 3, application: 'app-1' }
    await web.database.query(`update task_runs set progress = $2 where run_id = $1 and task_id = 'gold_segments'`, [
      RUN,
      JSON.stringify(progress),
    ])
    web.events.emit({ kind: 'progress', runId: RUN, taskId: 'gold_segments', attempt: 2 })
  }

  it('sends nothing that the page shows already, then its progress as it goes on', async () => {
    const html = await web.page(path, cookie)
    expect(html).toContain(`data-live="/live${path}?try&#x3D;2"`)
    const stream = await Stream.open(`/live${path}?try=2&mark=${await markOf(path)}`)
    await setProgress(40)
    const { data } = (await stream.next()) ?? {}
    expect(data).toMatchObject({ id: 'attempt-progress', html: expect.stringContaining('40 of 42 tasks') })
    expect((data as Fragment).html).toContain('2 of 3 stages')
    expect((data as Fragment).html).toContain('<dd class="mono">app-1</dd>')
    stream.close()
    await setProgress(37)
  })

  it('says when the try has ended, and what it says then is fetched with the page', async () => {
    const stream = await Stream.open(`/live${path}?try=2&mark=${await markOf(path)}`)
    const end = (at: Date | null, result: string | null, reason: string) =>
      web.database.query(
        `update attempts set ended_at = $2, result = $3, reason = $4 where run_id = $1 and task_id = 'gold_segments' and attempt = 2`,
        [RUN, at, result, reason],
      )
    await end(new Date(NOW), 'failed', 'The class no.Such is in none of the jars (exit code 101).')
    web.events.emit({ kind: 'task', dagId: 'orders_daily', runId: RUN, taskId: 'gold_segments', state: 'failed' })
    const events: string[] = []
    for (let event = await stream.next(); event !== null; event = await stream.next()) events.push(event.event)
    expect(events.at(-1)).toBe('over')
    const html = await web.page(path, cookie)
    expect(html).not.toContain('data-live=')
    expect(html).toContain('<b>Failed.</b> The class no.Such is in none of the jars (exit code 101).')
    // each of these replaces what an open page shows
    for (const id of ['attempt-state', 'attempt-tries', 'attempt-verdict', 'attempt-aside'])
      expect(html).toMatch(new RegExp(`id="${id}" data-refresh=""`))
    await end(null, null, '')
  })
})

describe('the DAG list live', () => {
  it('swaps the cells of the DAG whose run changed', async () => {
    const stream = await Stream.open(`/live/dags?mark=${await markOf('/dags')}`)
    await web.database.query(
      `update runs set state = 'running', started_at = $1 where dag_id = 'click_batches' and state = 'queued'`,
      [new Date(NOW)],
    )
    web.events.emit({ kind: 'run', dagId: 'click_batches', runId: 'any', state: 'running' })
    expect(await stream.next()).toMatchObject({ event: 'swap', data: { id: 'd-click_batches-bars' } })
    expect(await stream.next()).toMatchObject({ event: 'swap', data: { id: 'd-click_batches-last' } })
    stream.close()
  })
})

describe('the log live', () => {
  it('adds lines at the end and says when the attempt is over', async () => {
    const at = new Date(NOW).toISOString()
    web.say(RUN, 'gold_baskets', 1, [{ at, level: 'info', message: 'one' }])
    const stream = await Stream.open(`/live/runs/${RUN}/tasks/gold_baskets/attempts/1?from=2`)
    web.say(RUN, 'gold_baskets', 1, [{ at, level: 'warn', message: '<two>' }], 2)
    const added = await stream.next()
    expect(added?.event).toBe('lines')
    expect(added?.data).toContain('<li id="L2" data-line="2" class="warn">')
    expect(added?.data).toContain('&lt;two&gt;')
    await web.database.query(
      `update attempts set ended_at = $2, result = 'success' where run_id = $1 and task_id = 'gold_baskets'`,
      [RUN, new Date(NOW)],
    )
    web.events.emit({ kind: 'task', dagId: 'orders_daily', runId: RUN, taskId: 'gold_baskets', state: 'success' })
    expect(await stream.next()).toMatchObject({ event: 'over' })
    expect(await stream.next()).toBeNull()
  })
})

describe('the log live, after the connection broke', () => {
  const LOG = `/live/runs/${RUN}/tasks/gold_segments/attempts/2?from=2`

  it('goes on behind the line that the browser got last', async () => {
    const at = new Date(NOW).toISOString()
    const line = (message: string) => ({ at, level: 'info' as const, message })
    web.say(RUN, 'gold_segments', 2, [line('one'), line('two'), line('three')])
    const stream = await Stream.open(LOG)
    expect(await stream.next()).toMatchObject({ event: 'lines', id: '3' })
    stream.close()
    web.say(RUN, 'gold_segments', 2, [line('four')], 4)
    const again = await Stream.open(LOG, cookie, { 'last-event-id': '3' })
    const added = await again.next()
    expect(added?.id).toBe('4')
    expect(String(added?.data).match(/data-line="\d+"/g)).toEqual(['data-line="4"'])
    again.close()
  })

  it('pays no heed to an id that it never gave', async () => {
    for (const id of ['-1', 'x', '1e3']) {
      const stream = await Stream.open(LOG, cookie, { 'last-event-id': id })
      expect(String((await stream.next())?.data)).toContain('data-line="2"')
      stream.close()
    }
  })
})

describe('streams', () => {
  it('need a login', async () => {
    const task = `/live/runs/${RUN}/tasks/gold_baskets`
    for (const path of [`/live/runs/${RUN}`, '/live/dags', task, `${task}/attempts/1`])
      expect((await Stream.open(path, '')).response.status).toBe(303)
  })

  it('of what does not exist are refused', async () => {
    expect((await Stream.open('/live/runs/none')).response.status).toBe(404)
    expect((await Stream.open(`/live/runs/${RUN}/tasks/none`)).response.status).toBe(404)
    expect((await Stream.open(`/live/runs/${RUN}/tasks/none/attempts/1`)).response.status).toBe(404)
  })

  it('end when the server stops', async () => {
    const { startWeb } = await import('../../webserver/app.js')
    const server = await startWeb({ deps: web.deps(), host: '127.0.0.1', port: 0 })
    const response = await fetch(`${server.url}/live/dags`, { headers: { cookie } })
    const closed = server.close()
    for await (const _ of eventsOf(response));
    await closed
  })
})
