import { startEmbedded } from '../../../scheduler/embedded.js'
import { loadConfig } from '../../../scheduler/load-config.js'
import type { Answer, Call } from './embedded-process.js'

/** An embedded Sluice that a test can command, measure and kill: `node embedded-entry.js PROJECT WORKERS`. */
const [project = '', workers = '2'] = process.argv.slice(2)
const silent = () => undefined
const say = (_fields: object, message: string) => process.stderr.write(`${message}\n`)
const log = { debug: silent, info: silent, warn: say, error: say }

const embedded = await startEmbedded({ config: loadConfig(project), workers: Number(workers), log })

async function answer(call: Call): Promise<unknown> {
  if (call.kind === 'trigger') {
    const options = { params: {}, interval: null, onlyTasks: null, noChecks: false }
    return (await embedded.commands.trigger(call.dag, options, { user: 'test' }, call.key)).run
  }
  if (call.kind === 'cancel') return embedded.commands.cancel(call.run, { user: 'test' })
  if (call.kind === 'clear') {
    return embedded.commands.clear(call.run, null, { downstream: false, failedOnly: false }, { user: 'test' })
  }
  if (call.kind === 'pause') return embedded.commands.pause(call.dag, call.reason, { user: 'test' })
  if (call.kind === 'resume') return embedded.commands.resume(call.dag, { user: 'test' })
  if (call.kind === 'query') return embedded.database.query(call.sql)
  if (call.kind === 'run') return embedded.store.run(call.run)
  if (call.kind === 'tasks') return embedded.store.taskRuns(call.run)
  if (call.kind === 'slots') return embedded.worker.slotPids
  if (call.kind === 'memory') return process.memoryUsage.rss()
  if (call.kind === 'attempts') {
    return embedded.database.query(
      'select task_id, attempt, result, reason, log_lines, log_bytes from attempts where run_id = $1 order by task_id, attempt',
      [call.run],
    )
  }
  await embedded.close()
  return null
}

function reply(message: Answer): void {
  process.send?.(message)
}

process.on('message', (call) => {
  const { id, ...rest } = call as Call & { id: number }
  answer(rest).then(
    (value) => reply({ id, value }),
    (error: unknown) => reply({ id, error: String(error) }),
  )
})
// the test that started it is gone
process.on('disconnect', () => process.exit(1))
reply({ id: 0, value: 'ready' })
