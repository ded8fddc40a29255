import { expect, it } from 'vitest'
import { COMMANDS } from '../../cli/commands.js'
import { commandsPage } from '../../cli/reference.js'

/** A stale page fails here; `npx vitest run tests/cli/reference.test.ts -u` writes it anew. */
it('the reference of the command line is up to date', async () => {
  const page = await commandsPage()
  expect(COMMANDS.filter(({ name }) => !page.includes(`\n## \`sluice ${name}`))).toEqual([])
  await expect(page).toMatchFileSnapshot('../../docs/reference/commands.md')
})
