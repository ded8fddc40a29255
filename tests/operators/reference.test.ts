import { describe, expect, it } from 'vitest'
import { operators } from '../../operators/index.js'
import { operatorIndex, operatorPage } from '../../operators/reference.js'

/** A stale page fails here; `npx vitest run tests/operators/reference.test.ts -u` writes them anew. */
describe('the reference of operators is up to date', () => {
  it.each([...operators.values()].map((operator) => [operator.type, operator] as const))(
    '%s',
    async (type, operator) => {
      await expect(operatorPage(operator)).toMatchFileSnapshot(`../../docs/reference/operators/${type}.md`)
    },
  )

  it('index', async () => {
    await expect(operatorIndex(operators.values())).toMatchFileSnapshot('../../docs/reference/operators/README.md')
  })
})
