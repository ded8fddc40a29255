import { followedAttempt, linesOf, signalOf, taken } from '../live/log-stream.js'
import type { Web } from '../web.js'
import type { ApiCall } from './route.js'

/** Writes a log as NDJSON, as fast as the reader takes it. */
export async function followLog(web: Web, call: ApiCall): Promise<void> {
  const { res } = call
  const { runId, taskId, attempt } = await followedAttempt(web, call.req)
  const options = { from: Number(call.query('from') || 1), follow: call.query('follow') === '1', signal: signalOf(res) }
  res.set('content-type', 'application/x-ndjson')
  res.flushHeaders()
  for await (const line of linesOf(web, { runId, taskId, attempt }, options)) {
    await taken(res, res.write(`${JSON.stringify(line)}\n`))
    if (res.destroyed) return
  }
  res.end()
}
