import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { LIMITS } from '../../../scheduler/dag/guard.js'
import { compile, dagWith, project } from './subject.js'

/** A bar of docs/BENCHMARKS.md: what is no DAG is named within a second. Counted is the processor's time, for the machine may be busy. */
const BOUND_MS = 1_000

let root: string
beforeAll(() => {
  // compiles the schema once, which is no part of reading a file
  compile(dagWith([]))
})

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** Compiles it, and says how long that took. */
function timed(content: string | Uint8Array): { problems: string[]; ms: number } {
  const start = processorMs()
  const { problems } = compile(content, { root })
  return { problems: problems.map(({ message }) => message), ms: processorMs() - start }
}

const VALID = dagWith(
  [
    'schedule: { cron: "0 6 * * *", timezone: Europe/Paris }',
    'tags: [a, b]',
    'params: { p: { type: string, default: x } }',
  ],
  [
    'sql: { query: "select {{ params.p }}", to: a.b }',
    'checks: [{ unique: [a, b] }, { range: { column: c, min: 1 } }]',
  ],
)

const BOMBS: [string, () => string | Uint8Array, RegExp][] = [
  ['deep flow lists', () => `a: ${'['.repeat(400_000)}`, /nest more than 50 levels/],
  ['deep flow maps', () => `a: ${'{a: '.repeat(200_000)}`, /nest more than 50 levels/],
  ['deep flow that closes', () => `a: ${'['.repeat(100_000)}${']'.repeat(100_000)}`, /nest more than 50 levels/],
  ['brackets hidden in quotes', () => `a: ${'["]", '.repeat(100_000)}`, /nest more than 50 levels/],
  ['deep block lists on one line', () => `a:\n  ${'- '.repeat(200_000)}x`, /nest more than 50 levels/],
  [
    'deep block maps',
    () => Array.from({ length: 900 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join(''),
    /nest more than 50/,
  ],
  ['deep explicit keys', () => `${'? '.repeat(200_000)}x`, /nest more than 50 levels/],
  ['a billion laughs', () => laughs(9), /more than 50000 values/],
  ['too many aliases', () => `a: &a 1\nb: [${'*a, '.repeat(200)}]`, /more than 100 aliases/],
  ['a NUL', () => 'dag: a\0\n', /NUL byte/],
  ['a control character', () => 'dag: \u001b[31m\n', /control character U\+001B/],
  ['UTF-16', () => Buffer.from('\uFEFFdag: a\n', 'utf16le'), /is UTF-16, not UTF-8/],
  ['a picture', () => Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d]), /not UTF-8/],
  ['a large file', () => new Uint8Array(50_000_000).fill(0x61), /has 50\.0 MB; a DAG file has at most 1 MB/],
  ['many keys', () => Array.from({ length: 90_000 }, (_, index) => `k${index}: 1\n`).join(''), /words and signs/],
  ['many equal keys', () => 'a: 1\n'.repeat(150_000), /words and signs/],
  ['many errors', () => 'a: b: c\n'.repeat(100_000), /nest more than 50 levels/],
  ['many tabs', () => '\ta\n'.repeat(200_000), /tab|colon|YAML/],
  ['many documents', () => '---\n'.repeat(200_000), /more than one YAML document/],
  ['many anchors', () => '&a '.repeat(200_000), /words and signs/],
  ['many tags', () => '!!str '.repeat(150_000), /words and signs/],
  ['an endless quote', () => `a: "${'x\n'.repeat(300_000)}`, /quote|YAML/],
  ['many comments', () => '# a\n'.repeat(240_000), /words and signs/],
  ['many broken tasks', () => manyTasks(3_000, '{ bsh: 1, needs: [x, y] }'), /unknown key/],
  ['an endless circle', () => manyTasks(3_000, (index) => `{ bash: x, needs: [t${(index + 1) % 3_000}] }`), /circle/],
  ['a key of a kilobyte and more', () => `${'k'.repeat(500_000)}: 1\n`, /key|colon|map/],
  ['a template without end', () => dagWith([], [`bash: "${'{{ '.repeat(100_000)}"`]), /template/],
  ['many templates', () => dagWith([], [`bash: "${'{{ x }} '.repeat(20_000)}"`]), /does not exist/],
  ['dollars in SQL', () => dagWith([], [`sql: "{{ x }} ${'a$ '.repeat(300_000)}{{ x }}"`]), /does not exist/],
  ['one word of dollars in SQL', () => dagWith([], [`sql: "a${'$'.repeat(900_000)} {{ x }}"`]), /does not exist/],
  ['tags of dollars in SQL', () => dagWith([], [`sql: "${'1$a'.repeat(300_000)} {{ x }}"`]), /does not exist|dollar/],
  ['one word of a command', () => dagWith([], [`bash: "${'a['.repeat(200_000)}{{ x }}"`]), /does not exist/],
  ['here-documents', () => dagWith([], [`bash: "${'<<a '.repeat(50_000)}\\n{{ x }}"`]), /does not exist/],
  [
    'a here-document of backslashes',
    () => dagWith([], [`bash: "<<a\\n${'\\\\'.repeat(200_000)}x\\n{{ x }}"`]),
    /exist/,
  ],
  ['nested helpers', () => dagWith([], [`bash: "{{not ${'(not '.repeat(30_000)}"`]), /template/],
]

function laughs(levels: number): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < levels; level++) {
    lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`)
  }
  return lines.join('\n')
}

function manyTasks(count: number, body: string | ((index: number) => string)): string {
  const line = (index: number) => `  t${index}: ${typeof body === 'string' ? body : body(index)}`
  return `dag: a\ntasks:\n${Array.from({ length: count }, (_, index) => line(index)).join('\n')}\n`
}

describe('files that are no DAGs', () => {
  it.each(BOMBS)('%s', (_, make, expected) => {
    root = project()
    const { problems, ms } = timed(make())
    expect(problems.join('\n')).toMatch(expected)
    expect(problems.length).toBeLessThanOrEqual(LIMITS.problems)
    expect(ms).toBeLessThan(BOUND_MS)
  })

  it('random bytes', () => {
    root = project()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        const { problems, ms } = timed(bytes)
        expect(problems.length).toBeGreaterThan(0)
        expect(ms).toBeLessThan(BOUND_MS)
      }),
      { numRuns: 300 },
    )
  })

  it('random text of the characters of YAML', () => {
    root = project()
    const text = fc.string({ unit: fc.constantFrom(...'ab:-?[]{},&*!|>\'"%@`# \n\t0.~<{}'), maxLength: 300 })
    fc.assert(
      fc.property(text, (content) => {
        const { problems, ms } = timed(content)
        expect(problems.length).toBeGreaterThan(0)
        expect(ms).toBeLessThan(BOUND_MS)
      }),
      { numRuns: 1_000 },
    )
  })

  it('a good DAG with a piece cut out, doubled or replaced', () => {
    root = project()
    const mutation = fc.record({
      at: fc.nat(VALID.length),
      length: fc.nat(30),
      put: fc.oneof(
        fc.string({ maxLength: 10 }),
        fc.constantFrom('[', '{', '}', '"', '\t', ': ', '\n', '- ', '{{', '*', '&a ', '!x '),
      ),
      again: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        let text = VALID
        for (const { at, length, put, again } of mutations) {
          const piece = text.slice(at, at + length)
          text = text.slice(0, at) + put + (again ? piece + piece : '') + text.slice(at + length)
        }
        const start = processorMs()
        const { dag, problems } = compile(text, { root })
        expect(processorMs() - start).toBeLessThan(BOUND_MS)
        expect(dag === null).toBe(problems.length > 0)
        const lines = text.split('\n').length
        for (const problem of problems) {
          expect(problem.message).not.toBe('')
          expect(problem.line).toBeGreaterThanOrEqual(1)
          expect(problem.line).toBeLessThanOrEqual(lines)
          expect(problem.column).toBeGreaterThanOrEqual(1)
        }
      }),
      { numRuns: 1_500 },
    )
  })

  it('random JSON in every place', () => {
    root = project()
    fc.assert(
      fc.property(
        fc.constantFrom('owner', 'schedule', 'params', 'defaults', 'tasks', 'start', 'tags'),
        fc.jsonValue(),
        (key, value) => {
          const document = { dag: 'a', tasks: { load: { bash: 'x' } }, [key]: value }
          const { dag, problems } = compile(JSON.stringify(document), { root })
          expect(dag === null).toBe(problems.length > 0)
        },
      ),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(
        fc.constantFrom('bash', 'sql', 'script', 'needs', 'when', 'checks', 'env', 'outputs'),
        fc.jsonValue(),
        (key, value) => {
          const task = key === 'bash' ? {} : key === 'sql' || key === 'script' ? {} : { sql: { query: 'x', to: 'a.b' } }
          const document = { dag: 'a', tasks: { load: { ...task, [key]: value } } }
          const { dag, problems } = compile(JSON.stringify(document), { root })
          expect(dag === null).toBe(problems.length > 0)
        },
      ),
      { numRuns: 1_000 },
    )
  })
})
