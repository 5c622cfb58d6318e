/** Which files are tests. */
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
    // real servers on two busy cores: what fails is tried again there, and the report says how often; nowhere else
    retry: process.env['CI'] === undefined ? 0 : 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
