import { expect, test } from 'vitest'
import { type RunIdentity, requireSameRun } from './same-run.ts'

const run: RunIdentity = {
  configuration: { engine: { name: null, threads: 2 } },
  data: { entries: 3, digest: 'abc' },
  engine: 'native',
  engineVariant: 'avx512bf16',
}

test('continues at another processor level, and says so', () => {
  expect(requireSameRun(run, run)).toEqual([])
  expect(requireSameRun(run, { ...run, engineVariant: 'avx2' })).toEqual([
    { key: 'engine.variant', before: 'avx512bf16', now: 'avx2' },
  ])
  const { engineVariant: _, ...older } = run
  expect(requireSameRun(older, run)).toEqual([])
})

test('does not continue on another engine', () => {
  expect(() => requireSameRun(run, { ...run, engine: 'onnx' })).toThrow('engine.name: native -> onnx')
})

test('does not continue with other classes or labels, which would give outputs other names', () => {
  const labeled = (classes: readonly string[], digest: string): RunIdentity => ({
    ...run,
    data: { ...run.data, labels: { classes, digest } },
  })
  const before = labeled(['bend', 'jack'], 'a')
  expect(requireSameRun(before, labeled(['bend', 'jack'], 'a'))).toEqual([])
  expect(() => requireSameRun(before, labeled(['jack', 'zbend'], 'b'))).toThrow(
    'the classes: [bend, jack] -> [jack, zbend]',
  )
  expect(() => requireSameRun(before, labeled(['bend', 'jack'], 'b'))).toThrow('the labels: training or validation')
  // An older checkpoint does not know them: that is said.
  expect(requireSameRun(run, before)).toEqual([expect.objectContaining({ key: 'labels of the videos' })])
  const many = Array.from({ length: 400 }, (_, k) => `class ${k}`)
  expect(() => requireSameRun(before, labeled(many, 'b'))).toThrow('class 11, and 388 more]')
})
