import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HARMFUL, run } from './run-bash.js'
import { compile, dagWith, goodDag, project, rendered } from './subject.js'

/** What a template may stand in, shown by bash and DuckDB themselves: a value that it was given does nothing but be there. */

/** The same random texts each time; SLUICE_FUZZ says how many others to look at. */
const FUZZ = process.env.SLUICE_FUZZ
const runs = (usually: number) =>
  FUZZ === undefined ? { numRuns: usually, seed: 20_261_122 } : { numRuns: Number(FUZZ) }

const PARAM = ['params: { p: { type: string, default: x } }']
const VALUE = '{{ params.p }}'

let root: string

beforeEach(() => {
  root = project()
})

const isTaken = (operator: string, text: string) =>
  compile(dagWith(PARAM, [`${operator}: ${JSON.stringify(text)}`]), { root }).dag !== null

const withValue = (operator: string, text: string, p: string) => {
  const dag = goodDag(dagWith(PARAM, [`${operator}: ${JSON.stringify(text)}`]), { root })
  const { config } = rendered(dag, { params: { p } })
  return String(config.command ?? config.query)
}

/** The places of a shell command that take templates: in each, `seen` gets the value and nothing else. */
const SHELL_PLACES = [
  `seen ${VALUE}`,
  `seen ${VALUE} | :`,
  `out="$(seen ${VALUE})"`,
  `out=$(seen ${VALUE})`,
  `( seen ${VALUE} )`,
  `x=${VALUE}; seen "$x"`,
  `x=(${VALUE}); seen "\${x[@]}"`,
  `x=${VALUE}\nread -r y <<E || :\n$x\nE\nseen "$x"`,
  `case a in a) seen ${VALUE} ;; esac`,
  `case ${VALUE} in a) ;; *) seen ${VALUE} ;; esac`,
  `[[ ${VALUE} == a ]] || seen ${VALUE}`,
  `if [ ${VALUE} = a ]; then :; fi; seen ${VALUE}`,
  `: <<'E'\nit's "$( \nE\nseen ${VALUE}`,
  `: <<E\nit's \\\nE\n"\nE\nseen ${VALUE}`,
  `: <<-!\n\tit's\n\t!\nseen ${VALUE}`,
  `: <<ÄÖ\nit's\nÄÖ\nseen ${VALUE}`,
  `: <<@ <<%%\n'\n@\n"\n%%\nseen ${VALUE}`,
  `: <<< ${VALUE}; seen ${VALUE}`,
  `: $((1+(2*(3)))) "$(( (1) + 2 ))"; seen ${VALUE}`,
  `x="$(: $((1+(2*(3)))); seen ${VALUE})"`,
  `: "\${x:-"a}"}" \${x:-'}'} "\${y:-$(: ")")}"; seen ${VALUE}`,
  `: \\ #"\nseen ${VALUE}`.replace('#"', '#'),
  `: a\\\n#"b"\nseen ${VALUE}`,
  `: # it's "fine\nseen ${VALUE}`,
  `: $'it\\'s' $"a"; seen ${VALUE}`,
  `x=\`: \\\` ' \\\` \`; seen ${VALUE}`,
  `f() { seen ${VALUE}; }; f`,
  `{ seen ${VALUE}; } && [[ a =~ ^(a|b)$ ]]`,
]

describe('the places of a shell command that take templates', { timeout: 120_000 }, () => {
  it.each(SHELL_PLACES)('%s', (script) => {
    expect(isTaken('bash', script)).toBe(true)
    for (const value of HARMFUL) expect([value, run(withValue('bash', script, value))]).toEqual([value, only(value)])
  })

  const only = (value: string) => ({ seen: [value], harmed: false })

  it('take any text as one word', () => {
    const unit = fc.constantFrom(...'\'"`$(){}[]<>|&;#\\ \n\tE!a=*?~-', '$(', '<<E\n', "'\\''", '\u00e4')
    fc.assert(
      fc.property(fc.constantFrom(...SHELL_PLACES), fc.string({ unit, maxLength: 20 }), (script, value) => {
        expect(run(withValue('bash', script, value))).toEqual(only(value))
      }),
      { numRuns: 100 },
    )
  })

  it('are no others, whatever the script is made of', () => {
    const piece = fc.constantFrom(
      ...[
        'seen ',
        ': ',
        ' ',
        '\n',
        '"',
        '"',
        "'",
        '$(',
        '"$(',
        ')',
        ')"',
        '(',
        '((',
        '))',
        '$((',
        '`',
        '${x:-',
        '${',
        '}',
        '}"',
      ],
      ...[
        '#',
        ' # ',
        'case a in a) ',
        '(a) ',
        ' ;; esac',
        ': <<E\n',
        ': <<-E\n',
        ": <<'E'\n",
        '<<E ',
        'E\n',
        '\nE\n',
        '\\\n',
        '\\',
      ],
      ...[
        'x',
        '|',
        '; ',
        '[[ a =~ ',
        '[[ ',
        ' ]]',
        ' -eq ',
        '-v ',
        '[ ',
        'let ',
        'a[',
        ']',
        "$'",
        ': <<!\n',
        '!\n',
        '$[',
        '{ ',
        ' }',
        '=',
      ],
    )
    const script = fc.tuple(fc.array(piece, { maxLength: 9 }), fc.array(piece, { maxLength: 6 }))
    let taken = 0
    fc.assert(
      fc.property(script, fc.constantFrom(...HARMFUL), ([before, after], value) => {
        const text = `${before.join('')}${VALUE}${after.join('')}`
        fc.pre(isTaken('bash', text))
        taken += 1
        // the value may well be the name of a command, which is not there
        expect(run(withValue('bash', text, value)).harmed).toBe(false)
      }),
      runs(250),
    )
    expect(taken).toBeGreaterThan(200)
  })
})

describe('the places of SQL that take templates', { timeout: 60_000 }, () => {
  let instance: DuckDBInstance
  let duckdb: DuckDBConnection

  beforeAll(async () => {
    instance = await DuckDBInstance.create(':memory:')
    duckdb = await instance.connect()
  })

  afterAll(() => {
    duckdb.closeSync()
    instance.closeSync()
  })

  const rows = async (sql: string) => {
    try {
      return (await duckdb.runAndReadAll(sql)).getRowsJson()
    } catch {
      return 'refused'
    }
  }
  const NASTY = [
    "it's",
    "' || 'harm' || '",
    "\\' || 'harm' --",
    '$$ || 1 $$',
    "*/ 'harm' /*",
    "\n'harm'\n--",
    '" "',
    '\\',
  ]

  it.each([
    [`select ${VALUE}`],
    [`select E'it\\'s', ${VALUE}`],
    [`select e'a''\\'', ${VALUE}, 'a\\'`],
    [`select E'a' -- '\n 'b\\'', ${VALUE}`],
    [`select $$ ' $$, ${VALUE}, $ä$ ' $$ $ä$`],
    [`select 'a$$b', ${VALUE} -- '`],
    [`select 1 as "a'b", ${VALUE}`],
    [`select 1 as x$$, ${VALUE} as y$$`],
    [`select /* ' */ ${VALUE}`],
    [`select 'e' 'x\\', ${VALUE}`.replace("'e' ", '1 as e, ')],
  ])('%s', async (sql) => {
    expect(isTaken('sql', sql)).toBe(true)
    for (const value of NASTY) {
      expect(await rows(withValue('sql', sql, value))).toEqual([expect.arrayContaining([value])])
    }
  })

  const withA = (cell: unknown, value: string) => (typeof cell === 'string' ? cell.replaceAll(value, 'A') : cell)

  it('are no others, whatever the query is made of', async () => {
    const piece = fc.constantFrom(
      ...[
        "'",
        "''",
        'E',
        "E'",
        " e'",
        "\\'",
        "E'\\'",
        " e'a\\'",
        "'",
        '\\',
        '"',
        '$',
        '$$',
        '$a$',
        ' ',
        '\n',
        '\r',
        '--',
        ' -- ',
        '/*',
        '*/',
        '1',
        'x',
        ', ',
        '||',
      ],
    )
    const query = fc.tuple(fc.array(piece, { maxLength: 9 }), fc.array(piece, { maxLength: 5 }))
    let ran = 0
    await fc.assert(
      fc.asyncProperty(query, fc.constantFrom(...NASTY), async ([before, after], value) => {
        const text = `select 1, ${before.join('')} ${VALUE} ${after.join('')}`
        fc.pre(isTaken('sql', text))
        const plain = await rows(withValue('sql', text, 'A'))
        if (plain !== 'refused') ran += 1
        const same = (result: unknown) => JSON.parse(JSON.stringify(result), (_, cell) => withA(cell, value))
        expect(same(await rows(withValue('sql', text, value)))).toEqual(same(plain))
      }),
      runs(1_000),
    )
    expect(ran).toBeGreaterThan(50)
  })
})
