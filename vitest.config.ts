import { defineConfig } from 'vitest/config'

// The default second of a poll is short on a machine that does much at once.
const limits = { testTimeout: 20_000, hookTimeout: 60_000, expect: { poll: { timeout: 10_000 } } }

export default defineConfig({
  test: {
    projects: [
      { test: { ...limits, name: 'unit', include: ['tests/unit/**/*.test.ts'] } },
      {
        test: {
          ...limits,
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          globalSetup: ['tests/integration/postgres.ts'],
        },
      },
    ],
    coverage: {
      provider: 'v8',
      reporter: ['text-summary'],
      // The rooms in which a mistake costs secrets.
      thresholds: { 'server/config/**': { lines: 90 }, 'secrets/**': { lines: 90 } },
      include: ['{server,secrets}/**/*.ts', 'bootstrap/lib/*.ts'],
    },
  },
})
