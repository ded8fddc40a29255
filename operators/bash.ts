import type { Json, JsonObject, JsonSchema } from '../json.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'
import { PROCESS_PROPERTIES, runTaskProcess } from './process/task-process.js'

type BashConfig = {
  command: string | string[]
  cwd?: string
  skip_exit_code?: number | null
}

const command: JsonSchema = {
  title: 'Command',
  description: 'A string runs in bash; a list is a program and its arguments and runs without any shell.',
  anyOf: [
    { type: 'string', minLength: 1, 'x-template': 'shell' },
    { type: 'array', minItems: 1, items: { type: 'string', 'x-template': 'text' } },
  ],
  examples: ['make verify', ['dbt', 'run', '--select', '{{ params.model }}']],
}

const docs = `
A **string** runs as a script in \`bash --noprofile --norc -e -o pipefail\`: the first command that fails, also inside a
pipe, fails the task (so \`yes | head\` does: the pipe breaks \`yes\`). A **list** is a program with its arguments: no shell sees it, nothing needs quoting.

\`\`\`yaml
tasks:
  hello:
    bash: echo "Hello, $(hostname)"
  verify:
    bash: { command: make verify, cwd: .. }
  export:
    bash:
      command: |
        pg_dump --table {{ params.table }} shop | gzip > dump.sql.gz
        echo "{\\"bytes\\": $(stat -c %s dump.sql.gz)}" > "$SLUICE_OUTPUTS"
  compact:
    bash: [vacuumdb, --analyze, "{{ params.database }}"]
\`\`\`

Templates in a string are written as quoted shell words, in a list as plain text: neither can add a command.

Both start in a fresh private folder that is removed afterwards; \`cwd\` starts them in a folder of the project, relative
to the DAG file.

**Outputs**: write one JSON object of at most 64 kB to the file \`$SLUICE_OUTPUTS\`; later tasks read it as
\`{{ tasks.export.outputs.bytes }}\`.

**Ends**: exit code 0 succeeds, 99 (\`skip_exit_code\`) skips, any other fails with the last line of stderr as the reason.
What a command leaves running in the background is ended with it; a program that is to stay must detach with \`setsid\`.
A cancel or timeout ends the whole process tree, detached programs too: TERM, and KILL 5 seconds later.

**Environment**: \`PATH\`, \`HOME\`, \`LANG\`, \`TZ\`, the task's \`env\` and \`SLUICE_*\`. Secrets belong in \`env\`.
`

export const bash: Operator<BashConfig> = {
  type: 'bash',
  summary: 'Runs a shell script, or a program without a shell',
  docs,
  weight: 'light',
  writesTable: false,
  schema: {
    title: 'bash',
    description: 'Runs a shell script, or a program without a shell.',
    type: 'object',
    additionalProperties: false,
    required: ['command'],
    properties: { command, ...PROCESS_PROPERTIES },
  },
  shortSchema: command,
  longForm(value: Json): JsonObject {
    return { command: value }
  },
  run(config: BashConfig, ctx: OperatorContext): Promise<OperatorResult> {
    return runTaskProcess(argvOf(config.command), config, ctx)
  },
}

function argvOf(script: string | string[]): string[] {
  // -e and pipefail: a script stops at its first error instead of ending green. No profile: the same on every worker.
  return typeof script === 'string' ? ['bash', '--noprofile', '--norc', '-e', '-o', 'pipefail', '-c', script] : script
}
