/**
 * Oracle: the reference engine. Products in float16 on an adapter that has them; the parts that need such an adapter are skipped
 * elsewhere. Of the software adapters, lavapipe has them (Mesa 25) and SwiftShader does not.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { evaluate } from '../../src/engine/reference/evaluate.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import { inThreadWebgpuEngine } from '../../src/engine/webgpu/index.ts'
import { differentiate } from '../../src/graph/differentiate.ts'
import { Graph } from '../../src/graph/graph.ts'
import { multiply } from '../../src/graph/operations/elementwise.ts'
import { linear } from '../../src/graph/operations/linear.ts'
import { sumLeading } from '../../src/graph/operations/reductions.ts'
import { withSession } from '../support/engines.ts'
import { operationCases, relativeError } from '../support/operation-cases.ts'
import { smallTransformer, startingWeights, stepData } from '../support/small-transformer.ts'

const { available, detail } = await inThreadWebgpuEngine.probe()
const hasFloat16 = available && detail.includes('float16') && !detail.includes('no float16')

const engine: Engine = {
  ...inThreadWebgpuEngine,
  open: (programs, options) => inThreadWebgpuEngine.open(programs, { ...options, precision: 'float16' }),
}

const [rows, inner, outer] = [6, 40, 24]

/** dx of sum(dy * (x w^T)). */
function inputGradient() {
  const graph = new Graph('product')
  const x = graph.state('x', [rows, inner])
  const y = multiply(linear(x, graph.input('w', [outer, inner])), graph.input('dy', [rows, outer]))
  return graph.build({ dx: differentiate(sumLeading(y, 0), [x])[0] })
}

/** Losses and gradient norms of steps of AdamW, and the weights after them. */
async function train(on: Engine, steps: number) {
  const { programs, parameters } = smallTransformer()
  return withSession(on, programs, async (session) => {
    await session.writeState(startingWeights(programs[0], parameters))
    const losses: number[] = []
    const norms: number[] = []
    for (let step = 1; step <= steps; step++) {
      const { loss, gradientNorm } = await session.run('train', {
        ...stepData(step),
        learningRate: Float32Array.of(1e-3),
        weightDecay: Float32Array.of(0.05),
        step: Float32Array.of(step),
        decay: Float32Array.of(0.9),
      })
      losses.push(loss[0])
      norms.push(gradientNorm[0])
    }
    return { losses, norms, weights: await session.readState(parameters) }
  })
}

describe.skipIf(!hasFloat16)(`float16 on WebGPU (${detail})`, () => {
  test.each(['linear', 'linearInputGradient', 'attention'] as const)('%s is a float16 product', async (name) => {
    let worst = 0
    await fc.assert(
      fc.asyncProperty(operationCases[name], async ({ program, inputs, state, floor, label }) => {
        const values = evaluate(program, inputs, state)
        const outputs = await withSession(engine, [program], async (session) => {
          await session.writeState(state)
          return session.run(program.name, inputs)
        })
        for (const output of program.outputs) {
          const error = relativeError(outputs[output.name], values.get(output.tensor)!, floor)
          expect(error, `${label}: output ${output.name}`).toBeLessThan(5e-3)
          worst = Math.max(worst, error)
        }
      }),
      { seed: 20261201, numRuns: 3 },
    )
    // Float32 products are a thousand times closer.
    expect(worst).toBeGreaterThan(2e-5)
  })

  test.each([1, 1e-9, 1e9])('a gradient times %d does not leave the range of float16', async (size) => {
    const program = inputGradient()
    const wave = (length: number, factor: number) =>
      Float32Array.from({ length }, (_, i) => factor * Math.sin(3 * i + i * i))
    const inputs = { w: wave(outer * inner, 0.1), dy: wave(rows * outer, size) }
    const run = (on: Engine) => withSession(on, [program], (session) => session.run('product', inputs))
    const [{ dx }, expected] = [await run(engine), await run(referenceEngine)]
    expect(relativeError(dx, expected.dx, 0)).toBeLessThan(5e-3)
    inputs.dy[7] = Number.NaN
    expect((await run(engine)).dx.some(Number.isNaN)).toBe(true)
  })

  test('a gradient of zeros gives zeros', async () => {
    const inputs = { w: new Float32Array(outer * inner).fill(1), dy: new Float32Array(rows * outer) }
    const { dx } = await withSession(engine, [inputGradient()], (session) => session.run('product', inputs))
    expect(dx.every((value) => value === 0)).toBe(true)
  })

  test('thirty steps of AdamW follow the reference, with float32 weights', async () => {
    const [half, reference] = [await train(engine, 30), await train(referenceEngine, 30)]
    expect(relativeError(half.losses, reference.losses)).toBeLessThan(2e-3)
    expect(relativeError(half.losses, reference.losses)).toBeGreaterThan(1e-6)
    expect(relativeError(half.norms, reference.norms)).toBeLessThan(2e-2)
    expect(half.losses.at(-1)).toBeLessThan(half.losses[0])
    for (const [name, values] of half.weights) {
      expect(relativeError(values, reference.weights.get(name)!, 1e-3), name).toBeLessThan(0.1)
    }
    // A weight of float16 has 13 zero bits at the end.
    const bits = new Uint32Array([...half.weights.values()].flatMap((values) => [...values]).length)
    bits.set(new Uint32Array(Float32Array.from([...half.weights.values()].flatMap((values) => [...values])).buffer))
    expect(bits.filter((word) => (word & 0x1fff) !== 0).length).toBeGreaterThan(0.9 * bits.length)
  })
})

test.skipIf(!available || hasFloat16)(`an adapter without float16 refuses it (${detail})`, async () => {
  await expect(engine.open([inputGradient()])).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: expect.stringContaining('shader-f16'),
    hint: expect.stringContaining('float32'),
  })
})
