import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCondition } from '../../../scheduler/dag/condition.js'
import { dagWith, goodDag, problemLines, rendered } from './subject.js'

const PARAMS = [
  'params:',
  '  p: { type: string, default: a }',
  '  n: { type: integer, default: 1 }',
  '  b: { type: boolean, default: false }',
  '  l: { type: array, default: [] }',
]

function holds(when: string, params: Record<string, string | number | boolean | string[]>): boolean {
  return rendered(goodDag(dagWith(PARAMS, ['bash: x', `when: ${JSON.stringify(when)}`])), { params }).when
}

function problems(when: string): string[] {
  return problemLines(dagWith(PARAMS, ['bash: x', `when: ${JSON.stringify(when)}`]))
}

describe('conditions', () => {
  it.each([
    ["params.p == 'full'", { p: 'full' }, true],
    ['params.p == "full"', { p: 'a' }, false],
    ['params.p != "full"', { p: 'a' }, true],
    ['params.n > 3 and not params.b', { n: 4, b: false }, true],
    ['params.n >= 4 and params.n <= 4', { n: 4 }, true],
    ['params.n < -1.5e1', { n: -16 }, true],
    // `and` binds more tightly than `or`, `not` more than both
    ['params.b or params.b and params.n == 1', { b: true, n: 2 }, true],
    ['(params.b or params.b) and params.n == 1', { b: true, n: 2 }, false],
    ['not params.b and params.b', { b: false }, false],
    ['not (params.b and params.b)', { b: false }, true],
    ["params.p in ['a', 'b']", { p: 'b' }, true],
    ["params.p not in ['a', 'b']", { p: 'b' }, false],
    ['params.p in params.l', { p: 'x', l: ['x'] }, true],
    ['not params.p in params.l', { p: 'x', l: ['x'] }, false],
    ["date(interval.start) >= '2026-01-01'", {}, true],
    ["default(params.p, 'none') == 'none'", { p: '' }, true],
    ['params.p == null', { p: 'a' }, false],
    ['params.b', { b: true }, true],
    // what decides comes first, so the rest need not make sense
    ['params.n == 1 or params.p > 3', { n: 1, p: 'x' }, true],
    ['params.n != 1 and params.p > 3', { n: 1, p: 'x' }, false],
  ])('%s of %j', (when, params, expected) => {
    expect(holds(when, params)).toBe(expected)
  })

  it('refuses to put in order what has none, where a silent no would skip the task for ever', () => {
    expect(() => holds('params.p > 3', { p: '10' })).toThrow(
      /task load, when: `params.p > 3` compares text with a number; only two numbers or two texts have an order/,
    )
  })

  it.each([
    ['params.m == 1', /^\d+:12 `params.m` names `params.m`, which does not exist \(did you mean `p`\?\)/],
    ['params.n = 1', /:21 `=` was not expected here \(two values are compared with `==`\)/],
    ['params.b && params.b', /:21 `&&` was not expected here \(write `and`\)/],
    ['! params.b', /:12 `!` is no value \(write `not`\)/],
    ["params.p == 'a", /:24 the text is not closed by ' \(close the quotes\)/],
    ['params.n == ', /the condition ends where a value is missing/],
    ['(params.b', /:21 the condition ends where `\)` is missing/],
    ['1 < params.n < 3', /comparisons do not chain \(write `a < b and b < c`\)/],
    ['params.b params.b', /`params.b` was not expected here \(join conditions with `and` or `or`\)/],
    ['params.b nad params.b', /`nad` was not expected here \(did you mean `and`\?\)/],
    ['dates(interval.start) == 1', /calls `dates`, which is no helper \(did you mean `date`\?\)/],
    ['eq(params.n, 1)', /calls `eq`, which is no helper/],
    ['tasks.nothing.outputs.rows > 0', /names the task `nothing`, which does not exist/],
    ['{{ params.n }} == 1', /stands beside other text, which a condition cannot compare \(take the braces away/],
    ['12abc == 1', /`12abc/],
    ['  ', /the condition is empty/],
  ])('%s is a problem at its place', (when, expected) => {
    expect(problems(when).join('\n')).toMatch(expected)
  })

  it('reads anything in time, and never throws', () => {
    const words = [
      'params.n',
      'and',
      'or',
      'not',
      'in',
      '(',
      ')',
      '[',
      ']',
      ',',
      '==',
      '<',
      "'a'",
      '1',
      'null',
      'date',
      '!',
    ]
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 4 })), { maxLength: 40 }),
        (parts) => {
          expect(parseCondition(parts.join(' '))).toBeTypeOf('object')
        },
      ),
      { numRuns: 500 },
    )
    expect(parseCondition('('.repeat(1_000))).toMatchObject({
      fault: { message: expect.stringMatching(/nest more than 50/) },
    })
    expect(parseCondition('not '.repeat(400))).toMatchObject({
      fault: { message: expect.stringMatching(/nest more than 50/) },
    })
    expect(parseCondition(`${'1 or '.repeat(500)}1`)).toMatchObject({
      fault: { message: expect.stringMatching(/at most 2000 characters/) },
    })
  })
})
