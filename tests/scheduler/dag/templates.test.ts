import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSluiceError } from '../../../errors.js'
import type { TemplateScope } from '../../../scheduler/dag/templates.js'
import { dagWith, goodDag, problemLines, project, rendered } from './subject.js'

const PARAMS = [
  'params:',
  '  p: { type: string, default: x }',
  '  n: { type: number, default: 1 }',
  '  l: { type: array, default: [] }',
]

/** What a SQL query, a shell command or a plain text becomes with these parameters. */
const inSql = (text: string, params: TemplateScope['params']) =>
  rendered(goodDag(dagWith(PARAMS, [`sql: ${JSON.stringify(text)}`])), { params }).config.query
const inShell = (text: string, params: TemplateScope['params']) =>
  rendered(goodDag(dagWith(PARAMS, [`bash: ${JSON.stringify(text)}`])), { params }).config.command
const inText = (text: string, params: TemplateScope['params']) =>
  rendered(goodDag(dagWith(PARAMS, [`bash: [${JSON.stringify(text)}]`])), { params }).config.command

describe('a text that may name a file', () => {
  const PARAM =
    'dag: a\nparams: { v: { type: string, default: "1.4" } }\ntasks: { load: { script: { application: APP } } }\n'
  const text = (application: string) => PARAM.replace('APP', JSON.stringify(application))

  it('names one where it has the form of one', () => {
    const dag = goodDag(text('jobs/x.py'), { root: project({ 'dags/jobs/x.py': 'print("{{ no template }}")' }) })
    expect(dag.files).toEqual({ 'jobs/x.py': 'print("{{ no template }}")' })
    expect(rendered(dag, { params: { v: '1.5' } }).config.application).toBe('jobs/x.py')
    expect(problemLines(text('jobs/y.py'))).toEqual([expect.stringContaining('there is no file `jobs/y.py`')])
  })

  it('is a plain text with templates otherwise', () => {
    const dag = goodDag(text('s3a://jobs/x-{{ params.v }}.jar'))
    expect(dag.files).toEqual({})
    expect(rendered(dag, { params: { v: '1.5' } }).config.application).toBe('s3a://jobs/x-1.5.jar')
  })
})

describe('values', () => {
  it.each([
    ['x = {{ params.p }}', { p: "O'Hara" }, "x = 'O''Hara'"],
    ['x > {{ params.n }}', { n: 1.5 }, 'x > 1.5'],
    ['x -{{ params.n }}', { n: -2 }, 'x -(-2)'],
    ['x = {{ params.p }}', { p: true }, 'x = TRUE'],
    ['x is {{ params.p }}', { p: null }, 'x is NULL'],
    ['x in {{ params.l }}', { l: ['a', "b'", 3] }, "x in ('a', 'b''', 3)"],
    ['x in {{ params.l }}', { l: [] }, 'x in (NULL)'],
    ['from {{ident params.p}}', { p: 'a"b' }, 'from "a""b"'],
    ['from {{ident "s" params.p}}', { p: 't' }, 'from "s"."t"'],
    ["'a' = {{ params.p }} -- 'b'\n and {{ params.p }}", { p: 'c' }, "'a' = 'c' -- 'b'\n and 'c'"],
    ['on = {{date interval.start}}', {}, "on = '2026-01-01'"],
    ['\\{{ x }} = {{ params.p }}', { p: 'a' }, "{{ x }} = 'a'"],
  ])('SQL: %s', (text, params, expected) => {
    expect(inSql(text, params)).toBe(expected)
  })

  it.each([
    ['echo {{ params.p }}', { p: "it's; rm -rf $HOME" }, "echo 'it'\\''s; rm -rf $HOME'"],
    ['echo --n={{ params.n }} "$x"', { n: 3 }, 'echo --n=\'3\' "$x"'],
    ['echo {{ params.l }}', { l: ['a b', 2] }, "echo 'a b' '2'"],
    ['echo {{ params.p }}', { p: null }, "echo ''"],
    ['echo "$(cat {{ params.p }})"', { p: 'a' }, `echo "$(cat 'a')"`],
    ["cat <<'END'\nit's\nEND\necho {{ params.p }}", { p: 'a' }, "cat <<'END'\nit's\nEND\necho 'a'"],
    ["# it's fine\necho {{ params.p }}", { p: 'a' }, "# it's fine\necho 'a'"],
  ])('shell: %s', (text, params, expected) => {
    expect(inShell(text, params)).toBe(expected)
  })

  it.each([
    ['{{ params.p }}/{{ params.n }}', { p: "it's", n: 2 }, ["it's/2"]],
    ['{{ params.l }}{{ params.p }}', { l: [1, 'a'], p: null }, ['[1,"a"]']],
    ['{{default params.p "none"}}', { p: '' }, ['none']],
    ['{{timestamp interval.end "Europe/Paris"}}', {}, ['2026-01-02 01:00:00.000']],
    ['{{json params.l}}', { l: ['"'] }, ['["\\""]']],
    ['{{default params.p "}}"}}', { p: null }, ['}}']],
  ])('text: %s', (text, params, expected) => {
    expect(inText(text, params)).toEqual(expected)
  })

  it('gives SQL back whatever text it was given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0')),
        (value) => {
          const literal = String(inSqlCached({ p: value }))
          expect(literal.startsWith("'") && literal.endsWith("'")).toBe(true)
          const inner = literal.slice(1, -1)
          expect(inner.replaceAll("''", '')).not.toContain("'")
          expect(inner.replaceAll("''", "'")).toBe(value)
        },
      ),
    )
  })

  const cached = goodDag(dagWith(PARAMS, ['sql: "{{ params.p }}"']))
  const inSqlCached = (params: TemplateScope['params']) => rendered(cached, { params }).config.query

  it('refuses a list that would end an assignment and begin a command', () => {
    expect(() => inShell('x={{ params.l }}', { l: ['a', 'reboot'] })).toThrow(
      /\{\{ params.l \}\} is a list, each item a word of its own, and touches the text before it/,
    )
    expect(inShell('x=({{ params.l }})', { l: ['a', 'b'] })).toBe("x=('a' 'b')")
  })

  it('takes the date of the DAG in its own time zone', () => {
    const dag = goodDag(
      dagWith(['schedule: { cron: "@daily", timezone: Asia/Tokyo }'], ['bash: ["{{date interval.start}}"]']),
    )
    const interval = { start: '2026-01-01T15:00:00.000Z', end: '2026-01-02T15:00:00.000Z' }
    expect(rendered(dag, { interval }).config.command).toEqual(['2026-01-02'])
  })
})

describe('when, env, checks and files', () => {
  it.each([
    ['{{ params.p }}', { p: 'no' }, false],
    ['{{ params.p }}', { p: false }, false],
    ['{{ params.p }}', { p: 'FALSE ' }, false],
    ['{{ params.p }}', { p: '' }, false],
    ['{{ params.p }}', { p: 0 }, false],
    ['{{ params.p }}', { p: 'yes' }, true],
    ['{{eq params.p "full"}}', { p: 'full' }, true],
    ['{{and (gt params.n 3) (not params.p)}}', { n: 4, p: false }, true],
    ['{{or (in params.p params.l) (lt params.n 0)}}', { p: 'b', l: ['a'], n: 1 }, false],
    ['{{gt params.p 3}}', { p: 'ten' }, false],
  ])('when %s', (when, params, expected) => {
    expect(rendered(goodDag(dagWith(PARAMS, ['bash: x', `when: ${JSON.stringify(when)}`])), { params }).when).toBe(
      expected,
    )
  })

  it('lets a boolean stand for when, and runs without one', () => {
    expect(rendered(goodDag(dagWith([], ['bash: x', 'when: false']))).when).toBe(false)
    expect(rendered(goodDag(dagWith([], ['bash: x']))).when).toBe(true)
  })

  it('keeps secrets of env unresolved, and lets no value name one', () => {
    const dag = goodDag(dagWith(PARAMS, ['bash: x', `env: { A: "\${env:TOKEN}-{{ params.p }}", B: 5 }`]))
    expect(rendered(dag, { params: { p: 'v' } }).env).toEqual({ A: `\${env:TOKEN}-v`, B: '5' })
    expect(() => rendered(dag, { params: { p: `\${env:OTHER}` } })).toThrow(
      /task load, env.A: a rendered value names a secret/,
    )
    const split = goodDag(dagWith(PARAMS, ['bash: x', `env: { A: "\${{ params.p }}" }`]))
    expect(() => rendered(split, { params: { p: '{file:/etc/passwd}' } })).toThrow(/names a secret/)
  })

  it('renders the SQL of checks', () => {
    const dag = goodDag(
      dagWith(PARAMS, [
        'sql: { query: select 1, to: a.b }',
        'checks: [{ expression: "x < {{ params.n }}" }, { unique: a }]',
      ]),
    )
    expect(rendered(dag, { params: { n: 7 } }).checks).toMatchObject([
      { kind: 'expression', options: { sql: 'x < 7' } },
      { kind: 'unique', options: ['a'] },
    ])
  })

  it('renders files as their operator says', () => {
    const root = project({ 'dags/sql/a.sql': 'select {{ params.p }}', 'dags/a.py': 'print("{{ x }}")' })
    const dag = goodDag(
      'dag: a\nparams: { p: { type: string, default: x } }\ntasks:\n  a: { sql: { file: sql/a.sql } }\n  b: { script: { file: a.py } }\n',
      { root },
    )
    expect(rendered(dag, { params: { p: "'" } }, 'a')).toMatchObject({
      config: { file: 'sql/a.sql' },
      files: { 'sql/a.sql': "select ''''" },
    })
    expect(rendered(dag, {}, 'b').files).toEqual({ 'a.py': 'print("{{ x }}")' })
  })

  it('renders texts that no schema describes', () => {
    const dag = goodDag(
      dagWith(PARAMS, ['script: { body: { a: ["{{ params.p }}", 1] }, headers: { X: "{{ run.id }}" } }']),
    )
    expect(rendered(dag, { params: { p: 'v' } }).config).toEqual({
      body: { a: ['v', 1] },
      headers: { X: 'test-20260102T000000Z' },
    })
  })
})

describe('what is not there when the attempt starts', () => {
  const dag = goodDag(
    'dag: a\ntasks:\n  a: { bash: x }\n  load: { needs: [a], bash: ["{{ tasks.a.outputs.rows }}"] }\n',
  )

  it.each([
    [{}, '(there are none)'],
    [{ other: 1 }, '(there are other)'],
  ])('is named with its place', (outputs, message) => {
    try {
      rendered(dag, { tasks: { a: { outputs } } })
      expect.unreachable()
    } catch (error) {
      expect(isSluiceError(error, 'CONFIG_RENDER_FAILED') && error.retryable).toBe(false)
      expect(error).toMatchObject({
        message: `task load, bash.command[0], line 1: {{ tasks.a.outputs.rows }} names \`tasks.a.outputs.rows\`, which is not there ${message}`,
      })
    }
  })

  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('is never inherited: %s', (name) => {
    const text = 'dag: a\ntasks:\n  a: { bash: x }\n  load: { needs: [a], bash: ["{{ tasks.a.outputs.NAME }}"] }\n'
    const bad = goodDag(text.replace('NAME', name))
    expect(() => rendered(bad, { tasks: { a: { outputs: {} } } })).toThrow(/which is not there/)
  })

  it('does not matter to a task that is skipped', () => {
    const skipped = goodDag(
      'dag: a\ntasks:\n  a: { bash: x }\n  load: { needs: [a], when: false, bash: ["{{ tasks.a.outputs.rows }}"] }\n',
    )
    expect(rendered(skipped)).toMatchObject({ when: false, config: {} })
  })
})

describe('faults found without running', () => {
  const taskProblems = (keys: string[], dagKeys: string[] = PARAMS) => problemLines(dagWith(dagKeys, keys))

  it.each([
    ["select '{{ params.p }}'", /stands inside single quotes \(drop the quotes: a template becomes a quoted literal/],
    ['select \\"{{ params.p }}\\"', /stands inside double quotes \(drop the quotes/],
    ["select 'it''s {{ params.p }}'", /single quotes/],
    ['select $$ {{ params.p }} $$', /stands inside dollar quotes/],
    ['select $a$ {{ params.p }} $a$', /stands inside dollar quotes/],
    ['select 1 -- {{ params.p }}', /stands inside a comment/],
    ['select /* /* */ {{ params.p }} */ 1', /stands inside a comment/],
    ["select E'it\\\\'s {{ params.p }}'", /stands inside single quotes/],
    ["select e'a''\\\\' {{ params.p }}'", /stands inside single quotes/],
    ["select E'a'\\n {{ params.p }}", /stands inside a text with escapes \(move it out\)/],
    ["select E'a'\\n 'b\\\\' {{ params.p }}'", /stands inside single quotes/],
    ['select $ä$ {{ params.p }} $ä$', /stands inside dollar quotes/],
    ['select 1$$ {{ params.p }} $$', /stands inside dollar quotes/],
    ["select 1 -- a\\r {{ params.p }}, ' {{ params.p }}", /stands inside single quotes/],
    [
      'select /* /* */ */ {{ params.p }}',
      /stands after a comment inside a comment, from where on it is not certain what is quoted/,
    ],
    ['select E{{ params.p }}', /touches the text beside it/],
    ["select 'a'{{ params.p }}", /touches the text beside it/],
    ['select {{ params.p }}{{ params.n }}', /touches the text beside it/],
    ['select {{ params.p }}x', /touches the text beside it/],
  ])('SQL: %s', (text, expected) => {
    expect(taskProblems([`sql: "${text}"`]).join('\n')).toMatch(expected)
  })

  it.each([
    ["echo '{{ params.p }}'", /stands inside single quotes \(drop the quotes: a template becomes a quoted word/],
    ['echo "a {{ params.p }}"', /stands inside double quotes/],
    ["echo $'{{ params.p }}'", /stands inside single quotes/],
    ['echo "$(echo "{{ params.p }}")"', /stands inside double quotes/],
    ['echo `x {{ params.p }}`', /stands inside backticks/],
    ['echo $(( {{ params.n }} + 1 ))', /stands inside arithmetic/],
    ['(( x > {{ params.n }} ))', /stands inside arithmetic/],
    ['echo a # {{ params.p }}', /stands inside a comment/],
    ['cat <<END\n{{ params.p }}\nEND', /stands inside a here-document/],
    ['cat <<-"END"\n\t{{ params.p }}\n\tEND', /stands inside a here-document/],
    ['cat <<!\n{{ params.p }}\n!', /stands inside a here-document/],
    ['cat <<@\n{{ params.p }}\n@', /stands inside a here-document/],
    ['cat <<%%\n{{ params.p }}\n%%', /stands inside a here-document/],
    ['cat <<ÄÖ\n{{ params.p }}\nÄÖ', /stands inside a here-document/],
    ['cat <<E\na\\\nE\n{{ params.p }}\nE', /stands inside a here-document/],
    [
      'cat <<E"O"F\n{{ params.p }}\nEOF',
      /after a here-document with an unusual end, .*env: \{ X: "\{\{ params.p \}\}" \}`, and write "\$X" there/,
    ],
    ['cat <<$E\nx\n$E\necho {{ params.p }}', /stands after a here-document with an unusual end/],
    ['cat <<E{{ params.p }}\nx\n', /stands after a here-document with an unusual end/],
    ['echo "$(cat <<E)"\nx\nE\necho {{ params.p }}', /stands after a here-document that its parentheses cut off/],
    [
      'echo "$(cat <<E\nx\nE)"\necho {{ params.p }}',
      /stands after a here-document whose end stands before a parenthesis/,
    ],
    ['cat <<E "$(\n)"\nx\nE\necho {{ params.p }}', /stands after a here-document around parentheses/],
    ['out="$(case $m in full) echo {{ params.p }} ;; esac)"', /stands after a `case` in parentheses/],
    ['out="$(ca\\\nse $m in full) echo {{ params.p }} ;; esac)"', /stands after a `case` in parentheses/],
    ['out="$([[ a =~ [)] ]]; echo {{ params.p }})"', /stands after a `=~` in parentheses/],
    [`echo "\${x:-"{{ params.p }}"}"`, /stands inside double quotes/],
    [`echo \${x:-{{ params.p }}}`, /stands inside the braces of a variable \(assign it to a variable first/],
    [`echo "\${x:-'}" {{ params.p }}`, /stands after single quotes in braces/],
    [`echo \${ echo a; } {{ params.p }}`, /stands after braces that hold a command/],
    ['echo $[ 1 ] {{ params.p }}', /stands after the old arithmetic/],
    ['echo $((echo a); echo {{ params.p }})', /stands after parentheses that begin like arithmetic/],
    ['cat <\\\n<E\n{{ params.p }}\nE', /stands after a sign that goes on in the next line/],
    ['[[ {{ params.p }} -eq 1 ]]', /stands inside arithmetic \(.*only after `\[ "\$x" -eq "\$x" \]`/],
    ['[[ 1 -lt {{ params.p }} ]]', /stands inside arithmetic/],
    ['[[ -v {{ params.p }} ]]', /stands inside a test for a variable/],
    ['let x={{ params.p }}', /stands inside arithmetic/],
    ['\\let x={{ params.p }}', /stands inside arithmetic/],
    [`l'e'"t" x={{ params.p }}`, /stands inside arithmetic/],
    ['\\[ "-v" {{ params.p }} ]', /stands inside a test for a variable/],
    [`te"st" -'v' {{ params.p }}`, /stands inside a test for a variable/],
    ['a[{{ params.p }}]=1', /stands inside the subscript of an array/],
    [`echo \${{ params.p }}`, /touches the text beside it/],
    ['echo \\\\{{ params.p }}', /touches the text beside it/],
  ])('shell: %s', (text, expected) => {
    expect(taskProblems([`bash: ${JSON.stringify(text)}`]).join('\n')).toMatch(expected)
  })

  it.each([
    ['{{ params.contry }}', /names `params.contry`, which does not exist \(there are `p`, `n` and `l`\)/],
    ['{{ p }}', /names `p`, which does not exist \(did you mean `params.p`\?\)/],
    ['{{ ds }}', /names `ds`, which does not exist \(here it is \{\{date interval.start\}\}\)/],
    ['{{ interval.strt }}', /did you mean `start`\?/],
    ['{{ intervall.start }}', /did you mean `interval`\?/],
    ['{{ item }}', /uses `item`, which on/],
    ['{{ trigger.file }}', /names `trigger.file`, which does not exist \(there are `kind`\)/],
    ['{{ run.id.x }}', /names `run.id.x`, which does not exist/],
    ['{{ tasks.x.outputs.a }}', /names the task `x`, which does not exist/],
    ['{{ tasks.load.outputs.a }}', /does not come before this task/],
    ['{{ tasks.load }}', /write tasks.<id>.outputs.<name>/],
    ['{{upper params.p}}', /calls `upper`, which is no helper/],
    ['{{date}}', /names `date`, which does not exist/],
    ['{{eq params.p}}', /gives `eq` 1 arguments \(write \{\{eq params.mode "full"\}\}\)/],
    ['{{ident params.p}}', /uses `ident`, which is for SQL/],
    ['{{ params.p | upper }}', /cannot be read \(filters .* Jinja/],
    ['{{ params.p', /cannot be read/],
    ['{{{ params.p }}}', /raw output .* is not available/],
    ['{{& params.p }}', /raw output .* is not available/],
    ['{{#if params.p}}x{{/if}}', /a block .* is not available/],
    ['{{> other}}', /a partial .* is not available/],
    ['{{! note}}', /a template comment .* is not available/],
    ['{{~ params.p }}', /whitespace control .* is not available/],
    ['{{ params.p ~}}', /whitespace control .* is not available/],
    ['{{ @root }}', /`@` names are not available/],
    ['{{ this }}', /`this` and `\.\.` are not available/],
    ['{{ ../params.p }}', /`this` and `\.\.` are not available/],
    ['{{default params.p x=1}}', /`key=value` arguments are not available/],
  ])('names: %s', (text, expected) => {
    expect(taskProblems([`bash: [${JSON.stringify(text)}]`]).join('\n')).toMatch(expected)
  })

  it('knows which tasks come before, and what they promise', () => {
    const text = (needs: string, output: string) =>
      `dag: a\ntasks:\n  a: { bash: x, outputs: { rows: loaded } }\n  b: { bash: x, needs: [a] }\n` +
      `  c: { bash: ["{{ tasks.a.outputs.${output} }}"], needs: [${needs}] }\n`
    expect(problemLines(text('b', 'rows'))).toEqual([])
    expect(goodDag(text('b', 'rows')).tasks.find(({ id }) => id === 'c')?.outputsOf).toEqual(['a'])
    expect(problemLines(text('', 'rows'))).toEqual([
      '5:14 {{ tasks.a.outputs.rows }} uses an output of `a`, which does not come before this task (add `a` to `needs`)',
    ])
    expect(problemLines(text('b', 'row'))).toEqual([
      '5:14 {{ tasks.a.outputs.row }} names the output `row`, which task `a` does not declare (did you mean `rows`?)',
    ])
  })

  it('knows the variables of the project when it is told', () => {
    const text = dagWith([], ['bash: ["{{ vars.regoin }}"]'])
    expect(problemLines(text)).toEqual([])
    expect(problemLines(text, { vars: ['region'] })[0]).toMatch(/did you mean `region`\?/)
  })

  it('points into blocks, quoted texts and files', () => {
    const root = project({ 'dags/sql/a.sql': 'select 1,\n  {{ x }}\n' })
    expect(problemLines(dagWith([], ['bash: |', '  echo a', '  echo {{ x }}']))[0]).toMatch(/^6:12 /)
    expect(problemLines(dagWith([], ['when: "a {{ x }}"', 'bash: x']))[0]).toMatch(/^4:14 /)
    const text = 'dag: a\ntasks: { a: { sql: { file: sql/a.sql } } }\n'
    expect(problemLines(text, { root })[0]).toMatch(/^2:3 /)
  })

  it('takes no template where the schema says none', () => {
    expect(taskProblems(['script: { code: "print({{ params.p }})" }'])[0]).toMatch(/no templates are rendered here/)
    expect(taskProblems(['script: { code: "print(f\'{{x}}\')" }'])).toEqual([])
    expect(taskProblems(['sql: { file: "{{ params.p }}" }'])[0]).toMatch(/the name of a file holds no template/)
  })
})
