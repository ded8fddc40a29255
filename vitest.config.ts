import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What takes longest begins first, on a fresh clone too, so that no process waits for the last file of another. */
const LONG = [/\/e2e\//, /\/embedded\.test/, /\/simulation\//, /\/cli\//, /\/store\//, /\/dag\/cron-rule/]

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => LONG.findIndex((pattern) => pattern.test(moduleId)) >>> 0
    return [...files].sort((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId))
  }
}

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: ['tests/stack/**', 'tests/browser/**', 'node_modules', 'dist'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // most files import the same modules; none changes what the next one sees
    isolate: false,
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
  },
})
