import { defineConfig } from 'vitest/config'

/** Against real services and a real browser, found by environment variables; `.ci/run` brings them up. */
export default defineConfig({
  test: {
    // the kills need no service, but time
    include: ['tests/stack/**/*.test.ts', 'tests/browser/**/*.test.ts', 'tests/e2e/faults/kill.test.ts'],
    env: { SLUICE_KILLS: '20' },
    testTimeout: 120_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
