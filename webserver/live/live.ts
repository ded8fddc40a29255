import { type Request, type Response, Router } from 'express'
import { SluiceError } from '../../errors.js'
import { requireIdentity } from '../auth/session.js'
import { attemptParts } from '../present/attempt-view.js'
import { isOver } from '../present/run-view.js'
import { attemptFragments, loadAttempt } from '../routes/attempt.js'
import { dagListFragments, dagListQuery, loadDagList } from '../routes/dags.js'
import { loadRunFacts, runFragments, runPageOptions, runParts } from '../routes/run.js'
import type { Web } from '../web.js'
import { type Fragment, markOf } from './fragments.js'
import { streamLog } from './log-stream.js'
import { type Item, type Source, Topic } from './topic.js'

const STREAM_LIMIT = 500
const BEAT_MS = 15_000
const GATHER_MS = 200
/** how often running durations move */
const TICK_MS = 5_000
const LIST_TICK_MS = 15_000

/** Server-sent events: of pages as changed fragments, of the API as JSON. Closing ends every stream. */
export class Live {
  readonly #topics = new Map<string, Topic>()
  readonly #others = new Set<Response>()
  readonly #unsubscribe: () => void
  readonly #beat: NodeJS.Timeout

  constructor(readonly web: Web) {
    this.#unsubscribe = web.deps.events.subscribe((event) => {
      for (const topic of this.#topics.values()) topic.announce(event)
    })
    this.#beat = setInterval(() => {
      for (const topic of this.#topics.values()) topic.beat()
    }, BEAT_MS)
    this.#beat.unref()
  }

  routes(): Router {
    const router = Router()
    router.get('/live/runs/:run', (req, res) => this.#page(req, res, this.#runSource(req)))
    router.get('/live/runs/:run/tasks/:task', (req, res) => this.#page(req, res, this.#attemptSource(req)))
    router.get('/live/dags', (req, res) => this.#page(req, res, this.#dagListSource(req)))
    router.get('/live/runs/:run/tasks/:task/attempts/:attempt', (req, res) => {
      requireIdentity(res)
      this.keep(res)
      return streamLog(this.web, req, res)
    })
    return router
  }

  /** Streams a source to one client until it goes, or until the source is over. */
  async stream(res: Response, source: Source, upToDate: (mark: string) => boolean): Promise<void> {
    this.#requireRoom()
    const known = this.#topics.get(source.key)
    const topic = known ?? new Topic(source, () => this.#topics.delete(source.key))
    this.#topics.set(source.key, topic)
    await topic.add(res, upToDate, () => {
      res.set({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
      res.flushHeaders()
      res.write('retry: 2000\n\n')
    })
  }

  /** Keeps an answer that is written elsewhere, such as a followed log, among those that closing ends. */
  keep(res: Response): void {
    this.#requireRoom()
    this.#others.add(res)
    res.on('close', () => this.#others.delete(res))
  }

  close(): void {
    this.#unsubscribe()
    clearInterval(this.#beat)
    for (const topic of [...this.#topics.values()]) topic.stop()
    for (const res of this.#others) res.destroy()
  }

  #requireRoom(): void {
    const streams = [...this.#topics.values()].reduce((sum, topic) => sum + topic.clients, this.#others.size)
    if (streams >= STREAM_LIMIT)
      throw new SluiceError('TOO_MANY_REQUESTS', `${STREAM_LIMIT} live streams are open already.`)
  }

  #page(req: Request, res: Response, source: Source): Promise<void> {
    requireIdentity(res)
    const mark = typeof req.query.mark === 'string' ? req.query.mark : ''
    return this.stream(res, source, (current) => current === mark)
  }

  #runSource(req: Request): Source {
    const runId = req.params.run as string
    const options = runPageOptions(req)
    return {
      key: `run ${runId} ${JSON.stringify(options)}`,
      load: async () => {
        const facts = await loadRunFacts(this.web, runId)
        const parts = runParts(facts, options)
        return { items: swaps(runFragments(this.web, parts)), over: isOver(facts.run), mark: markOf(parts) }
      },
      matches: (event) => 'runId' in event && event.runId === runId && event.kind !== 'log',
      gatherMs: GATHER_MS,
      everyMs: TICK_MS,
    }
  }

  #attemptSource(req: Request): Source {
    const { run: runId, task: taskId } = req.params
    return {
      key: `attempt ${runId} ${taskId} ${JSON.stringify(req.query.try ?? '')}`,
      load: async () => {
        const place = await loadAttempt(this.web, req)
        const parts = attemptParts(place, this.web.deps.now())
        const over = place.chosen?.endedAt !== null
        return { items: swaps(attemptFragments(this.web, parts)), over, mark: markOf(parts) }
      },
      matches: (event) =>
        (event.kind === 'task' || event.kind === 'progress') && event.runId === runId && event.taskId === taskId,
      gatherMs: GATHER_MS,
      everyMs: TICK_MS,
    }
  }

  #dagListSource(req: Request): Source {
    const query = dagListQuery(req)
    return {
      key: `dags ${JSON.stringify(query)}`,
      load: async () => {
        const { rows } = await loadDagList(this.web, query)
        return { items: swaps(dagListFragments(this.web, rows)), over: false, mark: markOf(rows) }
      },
      matches: (event) => event.kind === 'run' || event.kind === 'dags',
      gatherMs: GATHER_MS,
      everyMs: LIST_TICK_MS,
    }
  }
}

function swaps(fragments: readonly Fragment[]): Item[] {
  return fragments.map((fragment) => ({ key: fragment.id, event: 'swap', data: JSON.stringify(fragment) }))
}
