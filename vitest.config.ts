import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/order.ts'

/**
 * Milliseconds. The limit ends a test that hangs; it says nothing about speed, which depends on what else the machine does.
 * With three other processes that use all cores, tests of seconds take minutes.
 */
const hang = 900_000

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: hang,
    hookTimeout: hang,
    teardownTimeout: 120_000,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    globalSetup: 'test/temporary-folder.ts',
  },
})
