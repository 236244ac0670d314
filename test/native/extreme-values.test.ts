/**
 * Extreme values on the native engine, at every level of this processor: zeros of both signs, denormals, numbers whose squares or sums
 * leave the range of float32, infinity, NaN. Where the float64 reference is finite, results are close to it; where it is not, they are
 * not a finite number either. `VIDEOMAE_NATIVE_TEST_RUNS=4` takes more cases, and every value at every index. Oracle:
 * src/engine/reference.
 */
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { ReferenceSession } from '../../src/engine/reference/session.ts'
import { Graph } from '../../src/graph/graph.ts'
import { scale } from '../../src/graph/operations/elementwise.ts'
import type { Program } from '../../src/graph/program.ts'
import type { OperationCase } from '../support/operation-cases.ts'
import { roundLeaves } from '../support/run-operation-case.ts'
import {
  expectationOf,
  extremeCases,
  extremeValues,
  floatLeaves,
  largestFloat,
  plant,
  plantings,
  violations,
} from './extreme-cases.ts'
import { nativeMissing, nativeTimeouts, openNative, testedLevels } from './native-cases.ts'

vi.setConfig(nativeTimeouts)
const missing = nativeMissing()
const samples = process.env.VIDEOMAE_NATIVE_TEST_RUNS
const tolerances = { float32: 3e-4, bfloat16: 6e-2 } as const

/** Every value at every leaf in every way, or every value once. */
function planted(operation: string, made: OperationCase): OperationCase[] {
  const leaves = floatLeaves(made)
  // Gradients of equal queries or keys cancel: what the reference returns of them is its rounding.
  const ways = plantings.filter((how) => how !== 'whole' || operation !== 'attentionGradient')
  const targets = leaves.flatMap((leaf) => ways.map((how) => ({ leaf, how })))
  return extremeValues.flatMap((value, k) =>
    (samples === undefined ? targets.slice(k % targets.length, (k % targets.length) + 1) : targets).map(
      ({ leaf, how }) => plant(made, leaf, how, value, k * 7 + 3),
    ),
  )
}

async function check(operation: string, made: OperationCase, precision: 'float32' | 'bfloat16'): Promise<string[]> {
  const cases = planted(operation, made).map((each) => (precision === 'float32' ? each : roundLeaves(each)))
  const expectations = await Promise.all(cases.map((each) => expectationOf(operation, each)))
  const options = { precision, leavesAsActivations: precision === 'bfloat16' }
  const found: string[] = []
  for (const level of testedLevels) {
    const session = await openNative([made.program], level, options)
    for (const [k, { state, inputs, label }] of cases.entries()) {
      await session.writeState(state)
      const actual = await session.run(made.program.name, inputs)
      const largest = precision === 'float32' ? largestFloat : 3.38e38
      const wrong = violations(expectations[k], actual, tolerances[precision], largest)
      found.push(...wrong.map((text) => `${level} ${precision} ${label}: ${text}`))
    }
    await session.close()
  }
  return found
}

const names = ['w', 'm', 'v', 'sum', 'mean'] as const

/** AdamW on w, an accumulator and an average, all fed by the input g. */
function updating(clipNorm: number | null): Program {
  const graph = new Graph('updates')
  const g = graph.input('g', [37])
  for (const name of names) graph.state(name, [37])
  const scalar = (name: string): number => graph.input(name, []).id
  return graph.build({ out: scale(g, 1) }, [
    { kind: 'accumulate', entries: [{ accumulator: 'sum', gradient: g.id }], weight: scalar('weight') },
    {
      kind: 'adamw',
      entries: [
        {
          ...{ parameter: 'w', gradient: { tensor: g.id }, firstMoment: 'm', secondMoment: 'v' },
          ...{ decayScale: 1, learningRateScale: 1 },
        },
      ],
      ...{ learningRate: scalar('learningRate'), weightDecay: scalar('weightDecay'), step: scalar('step') },
      ...{ beta1: 0.9, beta2: 0.95, epsilon: 1e-8, gradientScale: 0.5, clipNorm, gradientNormOutput: 'norm' },
    },
    { kind: 'ema', entries: [{ ema: 'mean', source: 'w' }], decay: scalar('decay') },
  ])
}

describe.skipIf(missing !== null)(
  `extreme values on the native engine${missing === null ? '' : ` (${missing})`}`,
  () => {
    test.each(Object.keys(extremeCases))('%s', async (operation) => {
      for (const made of fc.sample(extremeCases[operation], { seed: 20261129, numRuns: Number(samples ?? 1) })) {
        for (const precision of ['float32', 'bfloat16'] as const) {
          expect(await check(operation, made, precision)).toEqual([])
        }
      }
    })

    test.each([null, 1])('updates with gradients clipped to %s', async (clipNorm) => {
      const program = updating(clipNorm)
      const scalars = { weight: 0.5, learningRate: 0.1, weightDecay: 0.1, step: 1, decay: 0.75 }
      const rates = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, Float32Array.of(value)]))
      const before = new Map(
        names.map((name, k) => [name, Float32Array.from({ length: 37 }, (_, i) => 0.01 * (i + k + 1))]),
      )
      for (const value of extremeValues) {
        const g = Float32Array.from({ length: 37 }, (_, i) => (i % 18 === 1 ? value : 0.1 * i - 2))
        const reference = new ReferenceSession([program])
        await reference.writeState(before)
        const { norm } = await reference.run('updates', { ...rates, g })
        const expected = await reference.readState()
        for (const level of testedLevels) {
          const session = await openNative([program], level)
          await session.writeState(before)
          const outputs = await session.run('updates', { ...rates, g })
          const actual = await session.readState()
          await session.close()
          const label = `${level}, gradient ${value}`
          if (Number.isFinite(outputs.norm[0])) {
            expect(outputs.norm[0] / norm[0], label).toBeCloseTo(1, 5)
            for (const name of names) {
              for (const [i, want] of expected.get(name)!.entries()) {
                expect(Math.abs(actual.get(name)![i] - want), `${label}: ${name}[${i}]`).toBeLessThanOrEqual(
                  1e-5 * Math.abs(want) + 1e-7,
                )
              }
            }
          } else {
            // The step is left out, and says so: the norm is not finite, or second moments might not be.
            expect(actual.get('w'), label).toEqual(before.get('w'))
            const clipped = clipNorm === null ? norm[0] : Math.min(norm[0], clipNorm)
            expect(Number.isFinite(norm[0]) && 0.05 * clipped ** 2 < 1e38, label).toBe(false)
          }
        }
      }
    })
  },
)
