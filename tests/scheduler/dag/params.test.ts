import { describe, expect, it } from 'vitest'
import type { Json } from '../../../json.js'
import type { ParamSpec } from '../../../scheduler/dag/model.js'
import { paramFromText, paramProblem, resolveParams, specProblem } from '../../../scheduler/dag/params.js'

const problem = (spec: ParamSpec, value: Json) => paramProblem('`p`', spec, value)?.message ?? null

describe('values of parameters', () => {
  it.each([
    [{ type: 'string' }, 'x'],
    [{ type: 'integer', minimum: 0, maximum: 5 }, 5],
    [{ type: 'number' }, -1.5],
    [{ type: 'boolean' }, false],
    [{ type: 'date' }, '2024-02-29'],
    [{ type: 'array', items: 'date' }, ['2026-01-01']],
    [{ type: 'array' }, []],
    [{ type: 'string', pattern: '[a-z]+' }, 'abc'],
    [{ type: 'string', enum: ['a', 'b'] }, 'b'],
  ] satisfies [ParamSpec, Json][])('%o takes %o', (spec, value) => {
    expect(problem(spec, value)).toBeNull()
  })

  it.each([
    [{ type: 'string' }, 5, '`p` must be text, not the number 5'],
    [{ type: 'integer' }, 1.5, '`p` must be a whole number, not the number 1.5'],
    [{ type: 'integer' }, 2 ** 60, /must be a whole number/],
    [{ type: 'integer', minimum: 3 }, 2, '`p` must be at least 3, not the number 2'],
    [{ type: 'number', maximum: 3 }, 4, '`p` must be at most 3, not the number 4'],
    [{ type: 'boolean' }, 'true', '`p` must be true or false, not the text "true"'],
    [{ type: 'date' }, '2026-02-29', '`p` must be a date such as 2026-01-31, not the text "2026-02-29"'],
    [{ type: 'array' }, 'a', '`p` must be a list, not the text "a"'],
    [{ type: 'array', items: 'integer' }, [1, 'a'], 'item 2 of `p` must be a whole number, not the text "a"'],
    [
      { type: 'string', pattern: '[a-z]+' },
      'abc1',
      '`p` must be text that matches [a-z]+ as a whole, not the text "abc1"',
    ],
    [{ type: 'string', pattern: 'a|b' }, 'ax', /as a whole/],
    [{ type: 'string', enum: ['a', 'b'] }, 'c', '`p` must be one of `a` or `b`, not the text "c"'],
    [{ type: 'string' }, null, '`p` must be text, not empty'],
    [{ type: 'string' }, 'x'.repeat(10_001), /at most 10000 characters/],
  ] satisfies [ParamSpec, Json, string | RegExp][])('%o does not take %o', (spec, value, expected) => {
    if (typeof expected === 'string') expect(problem(spec, value)).toBe(expected)
    else expect(problem(spec, value)).toMatch(expected)
  })

  it('stops a pattern that would take for ever', () => {
    const start = performance.now()
    expect(problem({ type: 'string', pattern: '(a+)+' }, `${'a'.repeat(50)}!`)).toMatch(/as a whole/)
    expect(performance.now() - start).toBeLessThan(1_000)
  })
})

describe('the parameters of a run', () => {
  const specs: Record<string, ParamSpec> = {
    country: { type: 'string', default: 'all' },
    limit: { type: 'integer' },
    note: { type: 'string', default: null },
  }

  it('are what was given, and defaults for the rest', () => {
    expect(resolveParams(specs, { limit: 3 })).toEqual({ params: { country: 'all', limit: 3, note: null } })
  })

  it('tell every problem at once', () => {
    expect(resolveParams(specs, { contry: 'x', country: 5, constructor: 1 })).toEqual({
      problems: [
        { param: 'contry', message: 'there is no parameter `contry`', hint: 'did you mean `country`?' },
        {
          param: 'constructor',
          message: 'there is no parameter `constructor`',
          hint: expect.stringContaining('`limit`'),
        },
        { param: 'country', message: '`country` must be text, not the number 5', hint: 'put it in quotes: "5"' },
        { param: 'limit', message: 'the parameter `limit` is missing', hint: 'it has no default; give an integer' },
      ],
    })
  })
})

describe('text from forms and command lines', () => {
  it.each([
    [{ type: 'integer' }, '12', 12],
    [{ type: 'number' }, ' -1.5e3 ', -1500],
    [{ type: 'integer' }, '12x', '12x'],
    [{ type: 'boolean' }, 'yes', true],
    [{ type: 'boolean' }, '', false],
    [{ type: 'boolean' }, 'maybe', 'maybe'],
    [{ type: 'string' }, '12', '12'],
    [{ type: 'array', items: 'integer' }, '1, 2', [1, 2]],
    [{ type: 'array' }, '["a,b"]', ['a,b']],
    [{ type: 'array' }, '', []],
    [{ type: 'array' }, '[a', '[a'],
  ] satisfies [ParamSpec, string, Json][])('%o reads %o as %o', (spec, text, expected) => {
    expect(paramFromText(spec, text)).toEqual(expected)
  })
})

describe('declarations that contradict themselves', () => {
  it.each([
    [{ type: 'integer', minimum: 5, maximum: 3 }, 'maximum'],
    [{ type: 'string', items: 'string' }, 'items'],
    [{ type: 'integer', pattern: 'a' }, 'pattern'],
    [{ type: 'string', pattern: '(' }, 'pattern'],
    [{ type: 'integer', enum: [1, 'a'] }, 'enum'],
    [{ type: 'string', enum: ['a'], default: 'b' }, 'default'],
    [{ type: 'string', pattern: '[0-9]+', default: 'b' }, 'default'],
    [{ type: 'array', items: 'integer', default: ['b'] }, 'default'],
  ] satisfies [ParamSpec, string][])('%o: %s', (spec, key) => {
    expect(specProblem(spec)?.key).toBe(key)
  })

  it.each([
    { type: 'string', default: null },
    { type: 'array', enum: ['a', 'b'], default: ['a'] },
    { type: 'array', pattern: '[a-z]' },
  ] satisfies ParamSpec[])('%o is good', (spec) => {
    expect(specProblem(spec)).toBeNull()
  })
})
