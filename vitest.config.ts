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

/** What is tested where: units beside the source, behavior over all engines and end to end, the CUDA engine. */
const kinds = {
  unit: { include: ['src/**/*.test.ts'], exclude: [] },
  behavior: { include: ['test/**/*.test.ts'], exclude: ['test/cuda/**'] },
  cuda: { include: ['test/cuda/**/*.test.ts'], exclude: [] },
} as const

type Kind = keyof typeof kinds

const kindOf = (file: string): Kind =>
  file.startsWith('src/') ? 'unit' : file.startsWith('test/cuda/') ? 'cuda' : 'behavior'

/** Files that share processes, which saves loading the modules two hundred times; and those that cannot. */
const projectsOf = (kind: Kind) => {
  const { include, exclude } = kinds[kind]
  const alone = ownProcess.filter((file) => kindOf(file) === kind)
  return [
    {
      extends: true as const,
      test: { name: kind, include: [...include], exclude: [...exclude, ...alone], isolate: false },
    },
    ...(alone.length === 0 ? [] : [{ extends: true as const, test: { name: `${kind}-alone`, include: alone } }]),
  ]
}

export default defineConfig({
  test: {
    // `--project 'unit*'` and so on.
    projects: [...projectsOf('unit'), ...projectsOf('behavior'), ...projectsOf('cuda')],
    // Tests of `cuda` name it. Everything else is the same on machines with a GPU.
    env: { VIDEOMAE_ENGINE: 'cpu' },
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
