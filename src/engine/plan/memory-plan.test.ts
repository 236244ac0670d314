import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { resolveConfiguration } from '../../model/configuration.ts'
import { buildPretrainProgram } from '../../model/pretrain.ts'
import { lowerProgram } from '../cuda/lowering/lower-program.ts'
import { stepValues } from '../cuda/lowering/schedule.ts'
import { alignment, type Lifetime, lifetimes, planMemory } from './memory-plan.ts'

const lives = fc
  .array(fc.tuple(fc.nat(30), fc.nat(30), fc.integer({ min: 1, max: 5000 })), { maxLength: 60 })
  .map((drawn) =>
    drawn.map(([a, b, bytes], value): Lifetime => ({ value, first: Math.min(a, b), last: Math.max(a, b), bytes })),
  )

const overlapInTime = (a: Lifetime, b: Lifetime): boolean => a.first <= b.last && b.first <= a.last

function expectNoOverlap(list: readonly Lifetime[]): void {
  const plan = planMemory(list)
  const overlapping: string[] = []
  for (const a of list) {
    const at = plan.offsets.get(a.value) ?? Number.NaN
    if (at % alignment !== 0 || !(at + a.bytes <= plan.bytes)) overlapping.push(`${a.value} is at ${at}`)
    for (const b of list) {
      if (a.value >= b.value || !overlapInTime(a, b)) continue
      const other = plan.offsets.get(b.value) ?? Number.NaN
      if (!(at + a.bytes <= other || other + b.bytes <= at)) overlapping.push(`${a.value} and ${b.value}`)
    }
  }
  expect(overlapping).toEqual([])
}

/** The most bytes that live at one step: no plan can need less. */
function peak(list: readonly Lifetime[]): number {
  const steps = list.flatMap(({ first }) => [first])
  const alive = (step: number) => list.filter(({ first, last }) => first <= step && step <= last)
  const size = ({ bytes }: Lifetime) => Math.ceil(bytes / alignment) * alignment
  return Math.max(0, ...steps.map((step) => alive(step).reduce((sum, life) => sum + size(life), 0)))
}

describe('memory plan', () => {
  test('never lets values that live at the same time overlap', () => {
    fc.assert(fc.property(lives, expectNoOverlap), { seed: 1, numRuns: 300 })
  })

  test('gives memory that is free again to later values', () => {
    const chain = Array.from({ length: 50 }, (_, i): Lifetime => ({ value: i, first: i, last: i + 1, bytes: 4096 }))
    expect(planMemory(chain).bytes).toBe(2 * 4096)
  })

  test.each(['float32', 'bfloat16'] as const)(
    'of a whole ViT-S pretraining step in %s stays near the peak',
    (precision) => {
      const configuration = resolveConfiguration({
        encoder: { width: 384, depth: 12, heads: 6 },
        decoder: { width: 192, depth: 4, heads: 3 },
      })
      const { programs } = buildPretrainProgram({ configuration, batch: 8, visible: 160, masked: 1408, optimizer: {} })
      const context = { precision, multiprocessors: 132, sharedMemoryPerBlock: 227 << 10, supportsMatmul: () => true }
      const list = lifetimes(lowerProgram(programs[0], context), stepValues)
      expectNoOverlap(list)
      const plan = planMemory(list)
      expect(plan.bytes).toBeLessThan(1.15 * peak(list))
      expect(plan.bytes).toBeLessThan(0.8 * plan.unsharedBytes)
    },
  )
})
