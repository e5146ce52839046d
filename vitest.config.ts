import { defineConfig } from 'vitest/config'
import { LongestFirst } from './tests/longest-first.ts'

// The defaults, five seconds for a test and one for a poll, are short on a machine that does much at once.
const limits = { testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 10_000 } } }

// Each file in a process of its own would load, and warm up, the same modules again: a quarter of all processor time.
const shared = { ...limits, isolate: false }

// A module that is mocked must not have been loaded by another file, nor be left behind for one.
const mocking = ['tests/unit/rotate/verbs.test.ts']

export default defineConfig({
  test: {
    // More than the cores of a small machine, since some tests wait for processes, grace and clocks.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { ...shared, name: 'unit', include: ['tests/unit/**/*.test.ts'], exclude: mocking } },
      { test: { ...limits, name: 'mocking', include: mocking } },
      {
        test: {
          ...shared,
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          globalSetup: ['tests/integration/postgres.ts'],
        },
      },
    ],
    coverage: {
      provider: 'istanbul',
      reporter: ['text-summary'],
      thresholds: {
        'server/**': { lines: 80 },
        // The rooms in which a mistake costs secrets, or shows one tenant to another.
        'server/config/**': { lines: 90 },
        'secrets/**': { lines: 90 },
        'server/auth/**': { lines: 95 },
        'server/audit/**': { lines: 95 },
        'server/db/scoped.ts': { lines: 95 },
        'server/webhook/signature.ts': { lines: 100 },
        'server/media/signed-url.ts': { lines: 100 },
      },
      include: ['{server,secrets}/**/*.ts', 'bootstrap/lib/*.ts'],
    },
  },
})
