import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/order.ts'

/**
 * Milliseconds. The limit ends a test that hangs; it says nothing about speed, which depends on what else the machine does.
 * With three other processes that use all cores, tests of seconds take minutes.
 */
const hang = 900_000

const testsIn = (folder: string): readonly string[] =>
  readdirSync(path.join(import.meta.dirname, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.posix.join(folder, ...file.split(path.sep)))

/**
 * Files that replace modules, or change what belongs to their process and cannot be put back after a test. Spies and stubbed
 * variables can: `vi.restoreAllMocks`, `vi.unstubAllEnvs`.
 */
const ownProcess = [...testsIn('src'), ...testsIn('test')].filter((file) =>
  /\bvi\.(mock|hoisted|useFakeTimers|stubGlobal)|process\.(on|once|chdir|umask)\(|process\.env(\.\w+|\[\w+\]) = |globalThis/.test(
    readFileSync(path.join(import.meta.dirname, file), 'utf8'),
  ),
)

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'alone', include: ownProcess } },
      // The others share processes, which saves loading the modules two hundred times. Unit tests, behavior tests and those of CUDA
      // are told apart by their folders (`npm run test:unit` and so on): a process serves one project only, so that projects of
      // their own would load the modules three times.
      {
        extends: true,
        test: { name: 'shared', include: ['{src,test}/**/*.test.ts'], exclude: ownProcess, isolate: false },
      },
    ],
    testTimeout: hang,
    hookTimeout: hang,
    teardownTimeout: 120_000,
    // Of two cores, two workers leave a sixth unused and three a ninth: tests wait for processes, signals and time limits.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    globalSetup: [
      'test/support/temporary-folder.ts',
      'test/support/compiled-program.ts',
      'test/support/native-library.ts',
    ],
  },
})
