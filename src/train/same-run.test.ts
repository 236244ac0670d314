import { expect, it } from 'vitest'
import { type RunIdentity, requireSameRun } from './same-run.ts'

const run: RunIdentity = {
  configuration: { engine: { name: null, threads: 2 } },
  data: { entries: 3, digest: 'abc' },
  engine: 'native',
  engineVariant: 'avx512bf16',
}

it('goes on at another processor level, and says so', () => {
  expect(requireSameRun(run, run)).toEqual([])
  expect(requireSameRun(run, { ...run, engineVariant: 'avx2' })).toEqual([
    { key: 'engine.variant', before: 'avx512bf16', now: 'avx2' },
  ])
  const { engineVariant: _, ...older } = run
  expect(requireSameRun(older, run)).toEqual([])
})

it('does not go on on another engine', () => {
  expect(() => requireSameRun(run, { ...run, engine: 'onnx' })).toThrow('engine.name: native -> onnx')
})
