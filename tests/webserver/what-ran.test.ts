import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../e2e/eventually.js'
import { Project } from '../e2e/project.js'

const SECRET = 'correct-horse-battery'
/** Longer than an attempt keeps a text, with its template at the begin. */
const LONG = `select {{ params.who }} is null as first -- ${'long '.repeat(60_000)}\n, 'the end' as last`

const FILES = {
  'dags/shown.yaml': `dag: shown
params:
  who: { type: string, default: Ada }
tasks:
  from_file: { sql: { file: sql/from_file.sql, to: gold.shown, mode: append } }
  as_written: { sql: { file: sql/as_written.sql } }
  inline: { sql: "select {{ params.who }} as who" }
  long: { sql: { file: sql/long.sql } }
  script:
    env: { TOLD: "\${file:told.txt}" }
    bash: |
      echo {{ params.who }} "$TOLD" && echo ${SECRET} > /dev/null
      echo "<done>"
  code:
    python:
      code: |
        import sys
        print("hello", sys.argv[1])
      args: ["{{ params.who }}"]
  file: { python: { script: jobs/hello.py, files: [jobs/more.py] } }
`,
  'dags/waits.yaml': `dag: waits
params:
  gate: { type: string, default: gate }
tasks:
  until_told: { bash: { command: "until [ -e {{ params.gate }} ]; do sleep 0.1; done", cwd: .. } }
`,
  'dags/sql/from_file.sql': 'select {{ params.who }} as who,\n       1 as one -- <both>\n',
  'dags/sql/as_written.sql': "select 'written' as text\n",
  'dags/sql/long.sql': LONG,
  'dags/jobs/hello.py': 'import more\nprint("from a file")\n',
  'dags/jobs/more.py': 'one = "not shown on its own"\n',
  'told.txt': SECRET,
}

let project: Project
let cookie = ''
let origin = ''
let run = ''

beforeAll(async () => {
  project = await Project.ready(FILES)
  const up = await project.up()
  const login = await fetch(up.loginLink, { redirect: 'manual' })
  cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  origin = new URL(up.loginLink).origin
  const ran = await project.json<{ run: string; state: string }>('run', 'shown', '--param', "who=O'Hara")
  expect(ran.state).toBe('success')
  run = ran.run
})
afterAll(() => project.remove())

/** The panels below the log of a real attempt's page: title, note and text. */
async function panels(task: string, of = run): Promise<{ title: string; note: string; text: string }[]> {
  const page = await (await fetch(`${origin}/runs/${of}/tasks/${task}`, { headers: { cookie } })).text()
  const panel = /<h2>([^<]*)<\/h2><span class="muted">([^<]*)<\/span>.*?data-copy="[^"]+".*?\n\s*(<pre[\s\S]*?<\/pre>)/g
  return [...page.matchAll(panel)].map(([, title = '', note = '', pre = '']) => ({
    title,
    note,
    text: textOf(pre).trim(),
  }))
}

function textOf(html: string): string {
  const plain = html.replace(/<[^>]*>/g, '')
  const signs: Record<string, string> = { lt: '<', gt: '>', quot: '"', '#x27': "'", '#x3D': '=', '#x60': '`', amp: '&' }
  return plain.replace(/&(#?\w+);/g, (entity, name: string) => signs[name] ?? entity)
}

describe('the page of a real attempt shows what ran', () => {
  it('while it runs: what the file says, called as written where values are still missing', async () => {
    const { run: running } = await project.json<{ run: string }>('trigger', 'waits')
    const shown = await eventually(20_000, async () => {
      const found = await panels('until_told', running)
      return found.length > 0 ? found : null
    })
    expect(shown).toMatchObject([
      { title: 'Script', note: 'command, as written', text: 'until [ -e {{ params.gate }} ]; do sleep 0.1; done' },
      { title: 'Configuration', note: 'as written' },
    ])
    await project.write('gate', '')
  })

  it('of a query file: its text with the values filled in, and what becomes of the rows', async () => {
    const [sql, rest] = await panels('from_file')
    expect(sql).toEqual({
      title: 'Rendered SQL',
      note: 'sql/from_file.sql, append gold.shown',
      text: "select 'O''Hara' as who,\n       1 as one -- <both>",
    })
    expect(rest?.title).toBe('Rendered configuration')
    expect(JSON.parse(rest?.text ?? '')).toEqual({ file: 'sql/from_file.sql', to: 'gold.shown', mode: 'append' })
  })

  it('of a query file without templates: the text of the pinned version, which is what ran', async () => {
    expect((await panels('as_written'))[0]).toEqual({
      title: 'Rendered SQL',
      note: 'sql/as_written.sql',
      text: "select 'written' as text",
    })
  })

  it('of a query in the DAG file', async () => {
    expect(await panels('inline')).toEqual([{ title: 'Rendered SQL', note: 'query', text: "select 'O''Hara' as who" }])
  })

  it('of a text too long to keep: its begin, and how much is missing', async () => {
    const text = (await panels('long'))[0]?.text ?? ''
    expect(text).toMatch(/^select 'O''Hara' is null as first -- long long[\s\S]*\n… 234,\d\d\d more characters$/)
    expect(text.length).toBeLessThan(70_000)
  })

  it('of a script: its words filled in, its secrets masked', async () => {
    const [script] = await panels('script')
    expect(script).toEqual({
      title: 'Rendered script',
      note: 'command',
      text: `echo 'O'\\''Hara' "$TOLD" && echo ******** > /dev/null\necho "<done>"`,
    })
  })

  it('of Python, inline and from a file', async () => {
    const [code, rest] = await panels('code')
    expect(code).toEqual({
      title: 'Rendered code',
      note: 'code',
      text: 'import sys\nprint("hello", sys.argv[1])',
    })
    expect(JSON.parse(rest?.text ?? '')).toEqual({ args: ["O'Hara"] })
    const [file, ...others] = await panels('file')
    expect(file).toEqual({
      title: 'Rendered file',
      note: 'jobs/hello.py',
      text: 'import more\nprint("from a file")',
    })
    expect(others.map(({ title }) => title)).toEqual(['Rendered configuration'])
  })
})
