/** Which files are tests. */
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'test/**/*.test.ts',
      'conformance/**/*.test.ts',
      'bench/**/*.test.ts',
      'examples/**/*.test.ts',
    ],
    pool: 'forks',
    // most of them wait for servers: one process on two cores takes 397 s, two take 250 s
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // real servers on two busy cores: what fails is tried again there, and the report says how often; nowhere else
    retry: process.env['CI'] === undefined ? 0 : 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
