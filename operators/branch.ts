import type { JsonSchema } from '../json.js'
import type { Operator, OperatorResult } from './operator.js'

type Choice = {
  /** a condition, given as what it came to */
  when?: boolean | string
  to: string[]
}

type BranchConfig = {
  choices: Choice[]
}

const docs = `
Chooses which of the tasks after it run. The first choice whose \`when\` holds is followed; one without \`when\` always holds,
so it stands last. Tasks that need the branch and are not followed are skipped, and skips go on by the trigger rules of what
comes after them. A task that is reached through a followed one as well is not skipped. When no choice holds, none is followed.

\`\`\`yaml
tasks:
  count:
    sql: SELECT count(*) AS rows FROM bronze.orders
  size:
    needs: [count]
    branch:
      - { when: tasks.count.outputs.rows > 1000000, to: [in_parts] }
      - { to: [at_once] }
  in_parts: { needs: [size], bash: make parts }
  at_once: { needs: [size], bash: make all }
  publish:
    needs: [in_parts, at_once]
    trigger_rule: none_failed_min_one_success
    bash: make publish
\`\`\`

\`when\` is the condition of every task (see the guide to flow). Each task in \`to\` must need the branch directly.

**Outputs**: \`follow\`, the ids of the tasks that are followed.
`

const choices: JsonSchema = {
  title: 'Choices',
  description: 'In order; the first that holds is followed.',
  type: 'array',
  minItems: 1,
  maxItems: 100,
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['to'],
    properties: {
      when: {
        title: 'When',
        description: 'The condition of this choice; without it the choice always holds.',
        type: ['string', 'boolean'],
        'x-template': 'condition',
        examples: ['tasks.count.outputs.rows > 1000000'],
      },
      to: {
        title: 'To',
        description: 'Ids of the tasks to follow; an empty list follows none.',
        type: 'array',
        uniqueItems: true,
        items: { type: 'string', minLength: 1, 'x-template': 'none' },
        examples: [['in_parts']],
      },
    },
  },
}

export const branch: Operator<BranchConfig> = {
  type: 'branch',
  summary: 'Chooses which of the tasks after it run',
  docs,
  weight: 'light',
  writesTable: false,
  schema: {
    title: 'branch',
    description: 'Chooses which of the tasks after it run.',
    type: 'object',
    additionalProperties: false,
    required: ['choices'],
    properties: { choices },
  },
  shortSchema: choices,
  longForm: (value) => ({ choices: value }),
  async run({ choices: all }, ctx): Promise<OperatorResult> {
    ctx.signal.throwIfAborted()
    const place = all.findIndex(({ when = true }) => when === true || when === 'true')
    const follow = all[place]?.to ?? []
    const summary = follow.length === 0 ? 'follows no task' : `follows ${follow.join(', ')}`
    ctx.log('info', place === -1 ? 'no choice holds: follows no task' : `choice ${place + 1} holds: ${summary}`)
    return { outputs: { follow }, summary }
  },
}
