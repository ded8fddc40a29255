import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { operators } from '../../../operators/index.js'
import type { Operator } from '../../../operators/operator.js'
import { PACKAGE_ROOT, processEntry } from '../../../package-root.js'
import { parseYaml } from '../../../scheduler/dag/parse.js'
import { referenceFiles } from '../../../scheduler/dag/reference.js'
import { goodDagModule, validatorFor } from '../../../scheduler/dag/validate.js'

describe('the generated reference', () => {
  it.each(Object.entries(referenceFiles(operators)))('%s is what `npm run reference` writes', (path, text) => {
    expect(readFileSync(join(PACKAGE_ROOT, path), 'utf8')).toBe(text)
  })

  it('knows every real operator', () => {
    const document = (task: object) => ({ dag: 'a', tasks: { load: task } }) as never
    const validator = validatorFor(operators)
    for (const type of operators.keys()) {
      const findings = validator.findings(document({ [type]: 5 }))
      expect(findings.map(({ path }) => path.slice(0, 3))).toEqual([['tasks', 'load', type]])
    }
  })

  it.each([...operators.values()].flatMap(examples))('shows examples that are good: %s, %i', (_, __, example) => {
    const parsed = parseYaml(`dag: example\n${example}`)
    if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
    expect(validatorFor(operators).findings(parsed.yaml.value)).toEqual([])
  })
})

describe('the schema that the build compiles', () => {
  it('is that of the operators', () => {
    expect(readFileSync(processEntry('scheduler/dag/is-good-dag.cjs'), 'utf8')).toBe(goodDagModule(operators))
  })

  it('is not asked about other operators', () => {
    const document = { dag: 'a', tasks: { load: { bash: 'true' } } }
    expect(validatorFor(operators).findings(document)).toEqual([])
    const fewer = new Map([...operators].filter(([type]) => type !== 'bash'))
    expect(validatorFor(fewer).findings(document)).not.toEqual([])
  })
})

function examples({ type, docs }: Operator): [type: string, index: number, example: string][] {
  const found = [...docs.matchAll(/```yaml\n(tasks:[\s\S]*?)```/g)]
  expect(found.length).toBeGreaterThan(0)
  return found.map(([, example = ''], index) => [type, index, example])
}
