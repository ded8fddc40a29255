import { join } from 'node:path'
import { isSluiceError, SluiceError } from '../errors.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'
import { COPIES, copyFolders, pinnedCopy, writtenCopy } from './pinned-copy.js'
import type { ProcessEnd } from './process/run-process.js'
import { PROCESS_PROPERTIES, runTaskProcess, shorten } from './process/task-process.js'

type PythonConfig = {
  script?: string
  code?: string
  files?: string[]
  args?: string[]
  interpreter?: string
  cwd?: string
  skip_exit_code?: number | null
}

const DEFAULT_INTERPRETER = 'python3'
/** Not `code.py`: that would hide a module of the standard library. */
const INLINE_NAME = 'sluice_task.py'

const docs = `
Runs a script of the project, or a few lines written inline, in a Python process of its own.

\`\`\`yaml
tasks:
  score:
    python:
      script: jobs/score.py
      files: [jobs/features.py]          # what the script imports
      args: ["--date", "{{ interval.start }}"]
      interpreter: python3.11
  tell:
    needs: [score]
    python:
      code: |
        import json, os
        with open(os.environ["SLUICE_OUTPUTS"], "w") as outputs:
            json.dump({"rows": 5}, outputs)
\`\`\`

The script and the \`files\` belong to the version of the DAG: a run executes them as they were when it was planned, from a
private copy that keeps their places relative to each other; \`import features\` works beside \`jobs/score.py\`, and the
project's folder, and a DAGs folder that lies elsewhere, are the last entries of \`PYTHONPATH\` in that copy (\`import jobs.features\`). A file that is not named is not
in the copy.

Inline code holds no templates; it gets values through \`args\` (\`sys.argv\`) or the task's \`env\`.

**Interpreter**: a program on the worker's \`PATH\` or a path, such as that of a virtual environment; \`python3\` without one.

**Outputs**: write one JSON object of at most 64 kB to the file named by \`SLUICE_OUTPUTS\`.

**Ends**: exit code 0 succeeds, 99 (\`skip_exit_code\`) skips, any other fails; for an uncaught exception the reason is its
line, such as \`ValueError: no rows for 2026-01-01\`. Output is unbuffered, so the log is live. Cancel and timeout end the
whole process tree.
`

export const python: Operator<PythonConfig> = {
  type: 'python',
  summary: 'Runs a Python script or inline code',
  docs,
  weight: 'light',
  writesTable: false,
  schema: {
    title: 'python',
    description: 'Runs a Python script or inline code.',
    type: 'object',
    additionalProperties: false,
    oneOf: [{ required: ['script'] }, { required: ['code'] }],
    properties: {
      script: {
        title: 'Script',
        description: 'Python file, relative to the DAG file.',
        type: 'string',
        minLength: 1,
        'x-file': true,
        'x-file-template': 'none',
        'x-template': 'none',
        examples: ['jobs/score.py'],
      },
      code: {
        title: 'Inline code',
        description: 'Python code; values come through `args` or `env`.',
        type: 'string',
        minLength: 1,
        'x-template': 'none',
        examples: ['print("hello")'],
      },
      files: {
        title: 'Further files',
        description: 'Modules and data the script needs, relative to the DAG file; pinned with the version of the DAG.',
        type: 'array',
        uniqueItems: true,
        items: { type: 'string', minLength: 1, 'x-file': true, 'x-file-template': 'none', 'x-template': 'none' },
        examples: [['jobs/features.py']],
      },
      args: {
        title: 'Arguments',
        description: 'Arguments of the script.',
        type: 'array',
        items: { type: 'string', 'x-template': 'text' },
        examples: [['--date', '{{ interval.start }}']],
      },
      interpreter: {
        title: 'Interpreter',
        description: 'Program on the worker’s PATH, or a path.',
        type: 'string',
        minLength: 1,
        default: DEFAULT_INTERPRETER,
        'x-template': 'text',
        examples: ['python3.11', '/opt/venv/bin/python'],
      },
      ...PROCESS_PROPERTIES,
    },
  },
  async run(config: PythonConfig, ctx: OperatorContext): Promise<OperatorResult> {
    const script = materialise(config, ctx)
    const interpreter = config.interpreter ?? DEFAULT_INTERPRETER
    const env = {
      PYTHONPATH: [ctx.env.PYTHONPATH, ...copyFolders(ctx)]
        .filter((path) => path !== undefined && path !== '')
        .join(':'),
      PYTHONUNBUFFERED: '1',
      PYTHONIOENCODING: 'utf-8',
      // The copies are used once; compiled modules beside them would be work for nothing.
      PYTHONDONTWRITEBYTECODE: '1',
    }
    try {
      return await runTaskProcess([interpreter, script, ...(config.args ?? [])], { ...config, env, reason }, ctx)
    } catch (error) {
      if (!isSluiceError(error, 'PROGRAM_MISSING')) throw error
      throw new SluiceError('PROGRAM_MISSING', error.message, {
        cause: error,
        hint: 'Install Python on the worker, or name an interpreter that is there with `interpreter`.',
        retryable: false,
      })
    }
  },
}

/** Writes the pinned files into the private folder and returns the path of the script. */
function materialise(config: PythonConfig, ctx: OperatorContext): string {
  const copy = (file: string) => pinnedCopy(file, `python: ${file}`, ctx)
  for (const file of config.files ?? []) copy(file)
  if (config.script !== undefined) return copy(config.script)
  if (config.code !== undefined) return writtenCopy(join(ctx.workDir, COPIES[0], INLINE_NAME), config.code)
  throw new SluiceError('OPERATOR_FAILED', 'python: neither `script` nor `code` is given.', { retryable: false })
}

/** The line of the exception that ended the program, e.g. `KeyError: 'id'`; else the last line of stderr. */
function reason(end: ProcessEnd): string | null {
  // An exception group draws a frame of `|` and `+` around its lines.
  const lines = end.stderrTail.map((line) => line.replace(/^ +[|+] /, ''))
  const start = lines.findLastIndex((line) => /^(Exception Group )?Traceback \(most recent call last\)/.test(line))
  const exception = start === -1 ? undefined : lines.slice(start + 1).find((line) => /^\S/.test(line))
  return shorten(exception ?? lines.at(-1)?.trim())
}
