/**
 * Oracle: finite differences in float64 on the reference engine. For random shapes and values of every operation the
 * loss is a random weighted sum of its first output; `differentiate` must give the slope along random directions.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { OperationCase } from '../../../test/support/case-builder.ts'
import { operationCases } from '../../../test/support/operation-cases.ts'
import { RandomStream } from '../../core/random.ts'
import { evaluate } from '../../engine/reference/evaluate.ts'
import { differentiate } from '../differentiate.ts'
import type { Tensor } from '../graph.ts'
import { elementCount, type Program } from '../program.ts'
import { multiply } from './elementwise.ts'
import { type OperationName, operations } from './index.ts'
import { reshape } from './movement.ts'
import { sumLeading } from './reductions.ts'

/** Operations that are gradients of others, or whose input is data. */
const withoutGradient: readonly OperationName[] = [
  'absolute',
  'attentionGradient',
  'gatherRows',
  'geluGradient',
  'layerNormGradient',
  'linearParameterGradient',
  'meanSquaredErrorGradient',
  'meanTokensGradient',
  'patchTargets',
  'patchify',
  'softmax',
  'softmaxCrossEntropyGradient',
  'squareRoot',
]

/** `sum(weight * y)` over the first output, with weights that no symmetry of an operation cancels. */
function weightedSum(y: Tensor, random: RandomStream): Tensor {
  const count = elementCount(y.shape)
  const weights = y.graph.constant(
    [count],
    Float32Array.from({ length: count }, () => random.normal()),
  )
  return sumLeading(multiply(reshape(y, [count]), weights), 0)
}

class Evaluation {
  readonly values = new Map<string, Float64Array>()
  private readonly program: Program

  constructor(program: Program, example: OperationCase) {
    this.program = program
    for (const [name, data] of [...Object.entries(example.inputs), ...example.state]) {
      this.values.set(name, Float64Array.from(data))
    }
  }

  output(name: string): Float64Array {
    const tensors = evaluate(this.program, Object.fromEntries(this.values), this.values)
    return tensors.get(this.program.outputs.find((output) => output.name === name)!.tensor)!
  }

  /** Slope of the loss when the leaf `name` moves along `direction` (five-point rule, error of order step^4). */
  slope(name: string, direction: Float64Array, step: number): number {
    const origin = this.values.get(name)!
    const loss = (t: number): number => {
      this.values.set(
        name,
        origin.map((value, i) => value + t * step * direction[i]),
      )
      return this.output('loss')[0]
    }
    const slope = (8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / (12 * step)
    this.values.set(name, origin)
    return slope
  }
}

function checkGradients(example: OperationCase, seed: number): void {
  const random = new RandomStream(seed, 'gradient test')
  const loss = weightedSum(Object.values(example.outputs)[0], random)
  const gradients = differentiate(loss, example.differentiable)
  const named = Object.fromEntries(gradients.map((gradient, i) => [`gradient${i}`, gradient]))
  const program = example.graph.build({ loss, ...named })
  const evaluation = new Evaluation(program, example)
  const leaves = [...program.inputs, ...program.state]
  for (const [i, parameter] of example.differentiable.entries()) {
    expect(gradients[i].shape).toEqual(parameter.shape)
    const name = leaves.find((leaf) => leaf.tensor === parameter.id)!.name
    const gradient = evaluation.output(`gradient${i}`)
    const size = Math.hypot(...gradient)
    for (let repeat = 0; repeat < 2; repeat++) {
      // A unit vector: half of it along the gradient, so that the slope is not small only by chance.
      const noise = gradient.map(() => random.normal())
      const length = Math.hypot(...noise)
      const direction = noise.map((value, k) => value / length + (size > 0 ? gradient[k] / size : 0))
      const expected = direction.reduce((sum, value, k) => sum + value * gradient[k], 0)
      const measured = evaluation.slope(name, direction, 1e-3)
      const tolerance = 1e-6 * size + 1e-9
      expect(
        Math.abs(measured - expected),
        `${example.label}: leaf ${name}, ${measured} against ${expected}`,
      ).toBeLessThan(tolerance)
    }
  }
}

test('every operation either has a gradient or is listed as one without', () => {
  const listed = Object.values(operations)
    .filter(({ gradient }) => gradient === null)
    .map(({ name }) => name)
  expect(listed.sort()).toEqual([...withoutGradient].sort())
  expect(Object.keys(operationCases).sort()).toEqual(Object.keys(operations).sort())
})

test('the table holds every operation under its own name', () => {
  for (const [name, operation] of Object.entries(operations)) expect(operation.name).toBe(name)
})

describe('gradients agree with finite differences', () => {
  const differentiable = Object.values(operations).filter(({ gradient }) => gradient !== null)
  test.each(differentiable.map(({ name }) => name as OperationName))('%s', (name) => {
    fc.assert(
      fc.property(operationCases[name], fc.nat(), (example, seed) => {
        expect(example.differentiable.length).toBeGreaterThan(0)
        checkGradients(example, seed)
      }),
      { seed: 20261122, numRuns: 25 },
    )
  })
})
