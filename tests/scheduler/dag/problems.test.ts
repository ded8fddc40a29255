import { describe, expect, it } from 'vitest'
import { compile, dagWith, problemLines } from './subject.js'

/** What someone meets on the first day: a text, and exactly what Sluice says about it. */
const CASES: [name: string, text: string, problems: (string | RegExp)[]][] = [
  ['an empty file', '', ['1:1 the file is empty (a DAG needs `dag:` and `tasks:`)']],
  ['a list instead of a map', '- a\n', ['1:1 the DAG must be a map, not a list']],
  ['nothing but comments', '# a\n', [/^1:1 the (file is empty|DAG must be a map)/]],
  [
    'tasks without tasks',
    'dag: a\ntasks:\n',
    ['2:1 `tasks` must be a map, not empty (is the indentation below it right?)'],
  ],
  ['no task at all', 'dag: a\ntasks: {}\n', ['2:8 `tasks` needs at least one entry']],
  ['no id', 'tasks: { a: { bash: x } }\n', ['1:1 the DAG needs `dag`']],
  [
    'a misspelt key of the DAG',
    dagWith(['shedule: "0 6 * * *"']),
    [/^2:1 unknown key `shedule`; accepted are `dag`, .*`schedule`.* \(did you mean `schedule`\?\)$/],
  ],
  [
    'a misspelt key of a task',
    dagWith([], ['bash: x', 'retry: 3']),
    [/^5:5 unknown key `retry`; accepted are .* \(did you mean `retries`\?\)$/],
  ],
  [
    'a word of Airflow',
    dagWith(['schedule_interval: "@daily"']),
    [/^2:1 unknown key .* \(did you mean `schedule`\?\)$/],
  ],
  ['needs of Airflow', dagWith([], ['bash: x', 'depends_on: [a]']), [/^5:5 unknown key .*did you mean `needs`/]],
  [
    'a key of the operator beside it',
    dagWith([], ['sql: select 1', 'to: a.b']),
    [/^5:5 unknown key `to`; .* \(`to` belongs below `sql`\)$/],
  ],
  [
    'a key of the task below the operator',
    dagWith([], ['bash: { command: x, timeout: 5m }']),
    [/^4:25 unknown key `timeout`; .* \(`timeout` belongs to the task, beside `bash`\)$/],
  ],
  [
    'needs as text',
    dagWith([], ['bash: x', 'needs: other']),
    ['5:12 `needs` must be a list, not the text "other" (write a list: [other])'],
  ],
  [
    'two operators',
    dagWith([], ['bash: x', 'sql: select 1']),
    [
      '5:5 task `load` has `bash` and `sql`, but needs exactly one operator: `bash`, `sql` or `script` (keep one of them)',
    ],
  ],
  [
    'no operator',
    dagWith([], ['retries: 1']),
    ['3:3 task `load` needs exactly one operator: `bash`, `sql` or `script`'],
  ],
  ['a misspelt operator', dagWith([], ['bsh: x']), [/^4:5 unknown key `bsh`; .* \(did you mean `bash`\?\)$/]],
  [
    'a number in quotes',
    dagWith([], ['bash: x', 'retries: "3"']),
    ['5:14 `retries` must be a whole number, not the text "3" (remove the quotes: 3)'],
  ],
  [
    'a negative number',
    dagWith([], ['bash: x', 'retries: -1']),
    ['5:14 `retries` must be at least 0, not the number -1'],
  ],
  [
    'a duration without a unit',
    dagWith([], ['bash: x', 'retry_delay: 5']),
    [
      '5:18 `retry_delay` must be a duration with a unit, such as 30s, 20m or 1h30m, not the number 5 (did you mean `5s` (seconds) or `5m` (minutes)?)',
    ],
  ],
  [
    'a duration without a unit in quotes',
    dagWith(['defaults: { timeout: "20" }']),
    [
      /^2:22 `timeout` must be a duration .* not the text "20" \(did you mean `20s` \(seconds\) or `20m` \(minutes\)\?\)$/,
    ],
  ],
  [
    'units out of order',
    dagWith([], ['bash: x', 'timeout: 1m1h']),
    ['5:14 `timeout` is not a duration: 1m1h (write each unit once, the greatest first, at most 100 years: 1h30m)'],
  ],
  ['a timeout of nothing', dagWith([], ['bash: x', 'timeout: 0s']), [/^5:14 `timeout` must be longer than nothing/]],
  [
    'a misspelt trigger rule',
    dagWith([], ['bash: x', 'trigger_rule: all_succes']),
    [/^5:19 `trigger_rule` must be one of `all_success`, .* \(did you mean `all_success`\?\)$/],
  ],
  [
    'the Norway problem',
    dagWith(['catchup: no']),
    ['2:10 `catchup` must be one of `false`, `last` or `all`, not the text "no" (in YAML 1.2 write false)'],
  ],
  [
    'a catchup without a unit',
    dagWith(['catchup: { window: 7 }']),
    ['2:20 `window` must be a duration such as 7d, not the number 7 (did you mean `7s` (seconds) or `7m` (minutes)?)'],
  ],
  [
    'a catchup of no time',
    dagWith(['catchup: { window: 0s }']),
    ['2:20 `window` is not a duration longer than nothing: 0s (for example 7d)'],
  ],
  [
    'a number for an operator',
    dagWith([], ['bash: 5']),
    ['4:11 `bash` must be text or a list or a map, not the number 5'],
  ],
  ['a task of nothing', 'dag: a\ntasks:\n  load:\n', [/^3:3 task `load` must be a map, not empty/]],
  [
    'an SLA without a deadline',
    dagWith(['sla: { email: [a@example.com] }'], ['bash: x', 'sla: {}']),
    [
      '2:1 `sla` names no deadline: it needs `by` or `within` (for example { by: "07:00" } or { within: 1h })',
      /^6:5 `sla` names no deadline/,
    ],
  ],
  [
    'clock times that are none',
    dagWith(['sla: { by: 7am }'], ['bash: x', 'sla: { by: "25:00" }']),
    [
      '2:12 `by` must be a clock time such as "07:00", or with days "07:00 +1d", not the text "7am"',
      /^6:16 `by` must be a clock time .* not the text "25:00"/,
    ],
  ],
  [
    'an SLA of no time',
    dagWith(['sla: { within: 0s }']),
    ['2:16 `within` is not a duration longer than nothing: 0s (write each unit once, the greatest first: 1h30m)'],
  ],
  [
    'early warnings by what is no quantile',
    dagWith(['sla: { within: 1h, early_warning: p49 }'], ['bash: x', 'sla: { within: 1h, early_warning: 0.9 }']),
    [
      '2:35 `early_warning` must be p50 to p99, or off, not the text "p49"',
      '6:39 `early_warning` must be p50 to p99, or off, not the number 0.9',
    ],
  ],
  [
    'a clock time that counts from something',
    dagWith(['sla: { by: "07:00", from: start }']),
    [
      /^2:21 `from` says what `within` counts from, but there is no `within` \(remove it: a clock time counts from the day/,
    ],
  ],
  [
    'an SLA that tells no address',
    dagWith(['sla: { within: 1h, email: ["Sales <a@example.com>"], on: x }']),
    [/^2:28 item 1 of `email` must be an e-mail address/, /^2:54 unknown key `on`; accepted are `by`/],
  ],
  [
    'ids that are none',
    'dag: My-Dag\ntasks:\n  Load It: { bash: x }\n',
    [
      /^1:6 `dag` must be lower-case letters, .* not the text "My-Dag"$/,
      /^3:3 the name `Load It` must be lower-case .* \(for example `load_it`\)$/,
    ],
  ],
  [
    'a reserved id',
    'dag: a\ntasks:\n  constructor: { bash: x }\n',
    ['3:3 the id `constructor` is reserved (choose another one)'],
  ],
  [
    'an unknown task in needs',
    'dag: a\ntasks:\n  load: { bash: x }\n  next: { bash: x, needs: [laod] }\n',
    ['4:28 there is no task `laod` (did you mean `load`?)'],
  ],
  [
    'a task that needs itself',
    dagWith([], ['bash: x', 'needs: [load]']),
    ['5:13 task `load` needs itself (remove it)'],
  ],
  [
    'a task needed twice',
    'dag: a\ntasks:\n  a: { bash: x }\n  b: { bash: x, needs: [a, a] }\n',
    ['4:24 `needs` has `a` twice (remove one of them)'],
  ],
  [
    'a circle',
    'dag: a\ntasks:\n  a: { bash: x, needs: [b] }\n  b: { bash: x, needs: [c] }\n  c: { bash: x, needs: [a] }\n',
    ['3:25 the tasks need each other in a circle: a -> b -> c -> a (remove one of these needs)'],
  ],
  [
    'a schedule that never fires',
    dagWith(['schedule: "0 0 30 2 *"']),
    [/^2:11 the schedule `0 0 30 2 \*` never fires: no date has that day and month/],
  ],
  [
    'a schedule with years',
    dagWith(['schedule: "0 0 6 * * * 2026"']),
    [/^2:11 the schedule .* has 7 fields, not the five `minute .*`, or six with the second first/],
  ],
  [
    'a schedule out of range',
    dagWith(['schedule: 0 25 * * *']),
    [/^2:11 the schedule `0 25 \* \* \*` has `25` where the hour goes, which is 0 to 23$/],
  ],
  [
    'one bad cron of several',
    dagWith(['schedule:', '  cron:', '    - "0 6 * * *"', '    - "0 6 * * FOO"']),
    [/^5:7 the schedule `0 6 \* \* FOO` has `FOO` where the day-of-week goes/],
  ],
  [
    'a schedule of neither kind, and one of both',
    dagWith(['schedule: { timezone: UTC }']),
    [/^2:1 `schedule` needs `cron` or `every`, or something else that starts runs/],
  ],
  [
    'time zones without a time',
    dagWith(['schedule: { tables: [silver.sales], timezone: UTC }']),
    [/^2:37 `timezone` is about time, but `schedule` has no `cron` or `every`/],
  ],
  [
    'tables and DAGs that none can be waited for',
    dagWith(['schedule:', '  tables: [sales, "silver.{{ params.x }}"]', '  dags: { any: [a], all: [b] }']),
    [/^3:12 /, /^3:19 /, /^4:3 `dags` has both `any` and `all`/],
  ],
  [
    'a DAG that waits for itself',
    dagWith(['schedule: { dags: [other, test] }']),
    [/^2:27 the DAG `test` waits for itself/],
  ],
  [
    'a DAG that writes what it waits for',
    dagWith(
      ['schedule: { tables: [silver.sales] }'],
      ['sql: { query: "select 1 as a", to: silver.sales, mode: append }'],
    ),
    [/^2:22 the DAG waits for `silver.sales`, which its task `load` writes/],
  ],
  [
    'files outside the project, in a bucket without a connection, or with one and in none',
    dagWith(['schedule: { files: ["../../../*.csv", "/etc/*", "s3://shop/*.csv", "in/*/../../../../*"] }']),
    [
      /^2:21 `..\/..\/..\/\*.csv` leads outside the project/,
      /^2:39 `\/etc\/\*` leads outside/,
      /^2:49 `s3:\/\/shop\/\*.csv` is in a bucket \(name a connection of type s3/,
      /^2:68 .* leads outside/,
    ],
  ],
  [
    'a bucket that is none',
    dagWith(['schedule: { files: { path: ["landing/*.csv", "s3://X/*"], connection: minio, stable: 1s1s } }']),
    [
      /^2:29 `landing\/\*.csv` is in no bucket/,
      /^2:46 `s3:\/\/X\/\*` is not of the form s3:\/\/bucket\/key/,
      /^2:86 `stable` is not a duration: 1s1s/,
    ],
  ],
  [
    'webhooks and parameters that do not go together',
    dagWith([
      'params: { order: { type: integer }, note: { type: string, default: "" } }',
      'schedule:',
      '  webhooks:',
      '    one: { connection: hook, params: { ordr: id } }',
      '    two: { connection: hook, params: { order: id } }',
    ]),
    [
      /^5:5 `order` has no default, and deliveries to `one` do not bring it/,
      /^5:40 there is no parameter `ordr` \(did you mean `order`\?\)/,
    ],
  ],
  [
    'parameters that no event brings',
    dagWith(['params: { order: { type: integer } }', 'schedule: { files: "*.csv" }']),
    [/^2:11 `order` has no default, but nobody gives it to a scheduled run/],
  ],
  [
    'a schedule of both kinds',
    dagWith(['schedule: { cron: "@daily", every: 1h }']),
    [/^2:1 `schedule` has both `cron` and `every`/],
  ],
  [
    'a rhythm that is too quick, or none',
    dagWith(['schedule: { every: 500ms }']),
    ['2:20 `every` must be whole seconds, at least one (for example 30s or 15m)'],
  ],
  [
    'a calendar that leaves out every day',
    dagWith(['schedule: { cron: "0 6 * * SAT", business_days: true }']),
    [
      /^2:11 the schedule never fires: its calendar leaves out every day it is due \(correct `skip` or `business_days`\)$/,
    ],
  ],
  [
    'an end before the first interval is over',
    dagWith(['schedule: "@monthly"', 'start: 2026-01-15', 'end: 2026-02-20']),
    [/^4:6 the schedule never fires: no interval lies between `start` and `end`/],
  ],
  [
    'days to skip that are none',
    dagWith(['schedule: { cron: "@daily", skip: [2026-02-30, frence, 25-12] }']),
    [/^2:56 item 3 of `skip` must be a date such as 2026-12-25, or the name of a calendar/],
  ],
  [
    'days to skip that are not there',
    dagWith(['schedule: { cron: "@daily", skip: [2026-02-30, frence] }']),
    [
      /^2:36 `skip` names a day that does not exist: 2026-02-30/,
      /^2:48 there is no calendar `frence` in sluice.yaml \(did you mean `france`\?\)$/,
    ],
  ],
  ['a date for a schedule', dagWith(['schedule: 2026-01-01T00:00:00']), [/^2:11 the schedule .* has 1 field,/]],
  [
    'an unknown time zone',
    dagWith(['schedule: { cron: "@daily", timezone: Europe/Pariss }']),
    ['2:39 there is no time zone `Europe/Pariss` (did you mean `Europe/Paris`?)'],
  ],
  [
    'a start that is no date',
    dagWith(['start: 2026-02-30']),
    [/^2:8 `start` is a day that does not exist: 2026-02-30/],
  ],
  [
    'a start without a zone',
    dagWith(['start: 2026-02-03T10:00']),
    [/^2:8 `start` must be a date such as 2026-01-01 or an instant/],
  ],
  [
    'checks where nothing is written',
    dagWith([], ['bash: x', 'checks: [{ unique: a }]']),
    [/^5:5 `bash` writes no table, so `checks` have nothing to check/],
  ],
  [
    'taking over what must be looked at anew',
    dagWith([], ['script: { code: x }', 'skip_if_done: true']),
    [/^5:5 `script` looks at the outside or acts on it, so an earlier result says nothing .remove `skip_if_done` here/],
  ],
  [
    'a misspelt check',
    dagWith([], ['sql: { query: select 1, to: a.b }', 'checks: [{ not_nul: [a] }]']),
    [/^5:16 unknown key `not_nul`; .* \(did you mean `not_null`\?\)$/],
  ],
  [
    'two checks in one',
    dagWith([], ['sql: { query: select 1, to: a.b }', 'checks: [{ unique: a, not_null: a }]']),
    [/^5:27 item 1 of `checks` has `unique` and `not_null`, but needs exactly one of /],
  ],
  [
    'a range without bounds',
    dagWith([], ['sql: { query: select 1, to: a.b }', 'checks: [{ range: { column: a } }]']),
    ['5:16 `range` needs at least one of `min` or `max`'],
  ],
  [
    'options of an operator that exclude each other',
    dagWith([], ['sql: { query: select 1, file: a.sql }']),
    ['4:29 `sql` has `query` and `file`, but needs exactly one of `query` or `file` (keep one of them)'],
  ],
  [
    'a misspelt option of an operator',
    dagWith([], ['sql: { query: select 1, to: a.b, mode: apend }']),
    ['4:44 `mode` must be one of `append` or `merge`, not the text "apend" (did you mean `append`?)'],
  ],
  [
    'an option that another one needs',
    dagWith([], ['sql: { query: select 1, to: a.b, mode: merge }']),
    ['4:5 `sql` needs `keys` (Needed by mode `merge`.)'],
  ],
  [
    'an option that does not fit the others',
    dagWith([], ['sql: { query: select 1, to: a.b, keys: [a] }']),
    ['4:38 `keys` does not go together with the other keys here (Needed by mode `merge`.)'],
  ],
  [
    'an option that fits no branch',
    dagWith([], ['script: { status: { a: b } }']),
    ['4:23 `status` must be a whole number or text or a list, not a map'],
  ],
  [
    'a wrong item deep in a branch',
    dagWith([], ['script: { status: [200, [1]] }']),
    ['4:29 item 2 of `status` must be a whole number or text, not a list'],
  ],
  [
    'a parameter that contradicts itself',
    dagWith([
      'params:',
      '  p: { type: integer, default: x }',
      '  q: { type: string, minimum: 3 }',
      '  r: { type: date, default: 2026-13-01 }',
    ]),
    [
      '3:32 `default` must be a whole number, not the text "x"',
      /^4:31 `minimum` belongs to numbers/,
      /^5:29 `default` must be a date such as 2026-01-31, not the text "2026-13-01"$/,
    ],
  ],
  [
    'a parameter that nobody gives',
    dagWith(['schedule: "@daily"', 'params: { p: { type: string } }']),
    ['3:11 `p` has no default, but nobody gives it to a scheduled run (add `default`)'],
  ],
  ['a parameter without a type', dagWith(['params: { p: { default: 1 } }']), ['2:11 `p` needs `type`']],
  [
    'tabs',
    'dag: a\ntasks:\n\tload:\n\t\tbash: x\n',
    [/^3:1 the line is indented with a tab \(YAML takes spaces only/, /^4:1/],
  ],
  [
    'a missing colon',
    'dag: a\ntasks\n  load:\n    bash: x\n',
    ['2:1 a colon is missing after the key (write `key: value`)'],
  ],
  ['a second colon', dagWith([], ['bash: echo a: b']), [/^4:11 a second colon makes this value look like a map/]],
  ['an unclosed quote', 'dag: "a\ntasks: {}\n', [/missing closing "quote \(close it\)$/]],
  [
    'an unclosed bracket',
    'dag: a\ntags: [a, b\ntasks:\n  x: { bash: y }\n',
    [/^3:1 the indentation does not fit .*or a bracket is not closed/],
  ],
  [
    'a comma in a flow map',
    "dag: a\nowner: { a: b in ('x', 'y') }\ntasks: {}\n",
    [/^2:\d+ a comma or a colon is missing .*stands in quotes/],
  ],
  [
    'a key twice',
    'dag: a\ndag: b\ntasks: { x: { bash: y } }\n',
    ['2:1 the key `dag` stands twice in the same map (remove one of them)'],
  ],
  [
    'a cron without quotes',
    dagWith(['schedule: * * * * *']),
    [/^2:11 a value that begins with \* is an alias in YAML \(put it in quotes/],
  ],
  ['a nickname without quotes', dagWith(['schedule: @daily']), [/^2:11 a value cannot begin with this character/]],
  [
    'a template without quotes',
    dagWith([], ['bash: x', 'when: {{ params.p }}']),
    [/^5:12 a template begins with a brace.*in quotes/],
  ],
  ['an unknown alias', dagWith(['owner: *who']), [/^2:8 the alias `\*who` names no anchor above it/]],
  ['an alias inside itself', 'dag: a\ntasks: &t\n  x: *t\n', [/^3:6 the alias `\*t` stands inside what it names/]],
  ['an unknown tag', dagWith(['owner: !team a']), [/^2:8 the tag `!team` is not known/]],
  [
    'a merge key',
    'dag: a\ntasks:\n  a: &a { bash: x }\n  b: { <<: *a }\n',
    [/^4:8 `<<` is not part of YAML 1.2 \(use `defaults:`/],
  ],
  [
    'two documents',
    'dag: a\ntasks: { x: { bash: y } }\n---\ndag: b\n',
    ['3:1 the file holds more than one YAML document (write one DAG per file)'],
  ],
  ['a directive', '%YAML 1.1\n---\ndag: a\n', ['1:1 YAML directives are not used here (remove the line)']],
  ['a number without end', dagWith([], ['bash: x', 'backoff: .inf']), [/^5:14 infinite and undefined numbers/]],
  ['a key of __proto__', dagWith([], ['bash: x', 'env: { __proto__: a }']), [/^5:12 a key must be a plain name/]],
  [
    'several mistakes at once',
    dagWith(['shedule: x', 'owner: 5'], ['bash: x', 'retries: many']),
    [/^2:1/, /^3:8/, /^7:14/],
  ],
]

describe('problems', () => {
  it.each(CASES)('%s', (_, text, expected) => {
    const found = problemLines(text)
    expect(found).toHaveLength(expected.length)
    for (const [index, one] of expected.entries()) {
      if (typeof one === 'string') expect(found[index]).toBe(one)
      else expect(found[index]).toMatch(one)
    }
  })

  it('names the path inside the document, and the file', () => {
    const [problem] = compile(dagWith([], ['sql: { query: x, to: a.b }', 'checks: [{ unique: 3 }]'])).problems
    expect(problem).toMatchObject({ file: 'test.yaml', path: 'tasks.load.checks[0].unique', severity: 'error' })
  })

  it('knows pools only when it is told which there are', () => {
    const text = dagWith(['defaults: { pool: sparc }'], ['bash: x', 'pool: sprak'])
    expect(problemLines(text)).toEqual([])
    expect(problemLines(text, { pools: ['default', 'spark'] })).toEqual([
      '2:19 there is no pool `sparc`; there are `default` and `spark` (did you mean `spark`?)',
      '6:11 there is no pool `sprak`; there are `default` and `spark` (did you mean `spark`?)',
    ])
  })

  it('still knows whose file it is, when the id is good', () => {
    expect(compile('dag: mine\ntasks: { x: {} }\n')).toMatchObject({ dag: null, dagId: 'mine' })
    expect(compile('dag: [mine]\n')).toMatchObject({ dag: null, dagId: null })
  })

  it('never shows more than a screenful of the same noise', () => {
    const tasks = Array.from({ length: 500 }, (_, index) => `  t${index}: { bsh: x }`).join('\n')
    expect(compile(`dag: a\ntasks:\n${tasks}\n`).problems).toHaveLength(100)
  })
})
