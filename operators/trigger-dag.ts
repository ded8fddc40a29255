import { SluiceError } from '../errors.js'
import type { Json, JsonObject } from '../json.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'

type TriggerDagConfig = {
  dag: string
  params?: JsonObject
  wait?: boolean
  interval?: 'same' | 'latest'
}

/** `run`: its number `child` is asked for; `reported`: the child whose failure an attempt has ended with */
type Handle = { child: number; reported: string | null }

const docs = `
Starts a run of another DAG and, unless \`wait: false\`, waits for its end without a slot.

\`\`\`yaml
tasks:
  publish:
    needs: [load]
    trigger_dag:
      dag: publish_sales
      params: { day: "{{ date interval.start }}", rows: "{{ tasks.load.outputs.rows }}" }
\`\`\`

- **One run.** However often this attempt is repeated after a crash, it is the same run. A retry after the run has failed starts
  another one; so does clearing the task.
- The task ends as the run ends: a run that failed or was cancelled fails it, with the usual retries.
- **Cancelling** or clearing the task cancels the run that it waits for. Marking it leaves the run alone.
- The run has the data interval of this one; with \`interval: latest\` the latest complete one of its own schedule. Texts become what
  its parameters ask for. It starts although its DAG is paused, as by hand.
- DAGs that start each other in a circle are refused when the files are checked.

**Outputs**: \`run\` and \`state\` (\`queued\` or later with \`wait: false\`), and \`dag\`.
`

const dag = {
  title: 'DAG',
  description: 'The DAG to start.',
  type: 'string',
  minLength: 1,
  'x-template': 'none',
  examples: ['publish_sales'],
}

export const triggerDag: Operator<TriggerDagConfig> = {
  type: 'trigger_dag',
  summary: 'Starts a run of another DAG, and waits for it',
  docs,
  weight: 'light',
  writesTable: false,
  reusable: false,
  schema: {
    title: 'trigger_dag',
    description: 'Starts a run of another DAG, and waits for it.',
    type: 'object',
    additionalProperties: false,
    required: ['dag'],
    properties: {
      dag,
      params: {
        title: 'Parameters',
        description: 'By name, as the DAG declares them.',
        type: 'object',
        additionalProperties: { 'x-template': 'text' },
        examples: [{ day: '{{ date interval.start }}' }],
      },
      wait: { title: 'Wait', description: 'Wait for the end of the run.', type: 'boolean', default: true },
      interval: {
        title: 'Interval',
        description: 'The data interval of the run: `same` as this one, or the `latest` complete one of its schedule.',
        enum: ['same', 'latest'],
        default: 'same',
      },
    },
  },
  shortSchema: dag,
  longForm: (value) => ({ dag: value }),
  run: (config, ctx) => ask({ child: 1, reported: null }, config, ctx),
  async reattach(saved: Json, config, ctx) {
    const handle = saved as Handle
    const woken = ctx.woken as JsonObject | null
    if (woken === null) return ask(handle, config, ctx)
    if (typeof woken.refused === 'string') {
      throw new SluiceError('OPERATOR_FAILED', `${config.dag} cannot be started: ${woken.refused}`, {
        retryable: false,
      })
    }
    const run = String(woken.run)
    // a retry after its failure: another run
    if (handle.reported === run) return ask({ child: handle.child + 1, reported: null }, config, ctx)
    return ended(run, String(woken.state), handle, config, ctx)
  },
}

async function ask(handle: Handle, config: TriggerDagConfig, ctx: OperatorContext): Promise<OperatorResult> {
  ctx.signal.throwIfAborted()
  await ctx.saveHandle(handle)
  const { dag, params = {}, wait = true, interval = 'same' } = config
  const key = `trigger_dag/${ctx.token}/${handle.child}`
  const reason = wait ? `waits for its run of ${dag}` : `starts a run of ${dag}`
  ctx.log('info', reason)
  const waitsFor = { on: `dag:${dag}`, kind: 'child', dag, key, params, interval, wait } as const
  return { deferred: { until: null, reason, waitsFor } }
}

async function ended(
  run: string,
  state: string,
  handle: Handle,
  { dag, wait = true }: TriggerDagConfig,
  ctx: OperatorContext,
): Promise<OperatorResult> {
  if (wait && state !== 'success') {
    // before the failure is: whoever comes after knows that this run counts as failed
    await ctx.saveHandle({ ...handle, reported: run })
    throw new SluiceError('OPERATOR_FAILED', `its run ${run} ${state === 'cancelled' ? 'was cancelled' : 'failed'}`)
  }
  const summary = wait ? `${run} succeeded` : `started ${run}`
  ctx.log('info', summary)
  return { outputs: { dag, run, state }, summary }
}
