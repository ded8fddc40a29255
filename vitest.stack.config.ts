import { defineConfig } from 'vitest/config'

/** Against real services, found by environment variables; `.ci/run` brings them up. */
export default defineConfig({
  test: {
    include: ['tests/stack/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
