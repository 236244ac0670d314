import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { encodeModel, type OnnxModel } from '../format/onnx.ts'
import { measureRanges, productOperands } from './calibration.ts'
import { withPrecision } from './classifier-precision.ts'
import { parametersOf } from './static-quantization.ts'

const [inner, outer] = [64, 32]
const random = new RandomStream('static quantization')
const normal = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal())
const weight = normal(outer * inner)

/** y = x W' + b, z = y y'. */
const model: OnnxModel = {
  irVersion: 8,
  opsets: [{ domain: '', version: 17 }],
  graph: {
    name: 'products',
    inputs: [{ name: 'x', type: 'float32', shape: ['batch', inner] }],
    outputs: [
      { name: 'y', type: 'float32', shape: ['batch', outer] },
      { name: 'z', type: 'float32', shape: ['batch', 'batch'] },
    ],
    initializers: [
      { name: 'w', type: 'float32', shape: [outer, inner], data: weight },
      { name: 'b', type: 'float32', shape: [outer], data: normal(outer) },
    ],
    nodes: [
      { op: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'], attributes: { transB: { int: 1 } } },
      { op: 'Transpose', inputs: ['y'], outputs: ['t'] },
      { op: 'MatMul', inputs: ['y', 't'], outputs: ['z'] },
    ],
  },
}

async function run(of: OnnxModel, x: Float32Array) {
  const { InferenceSession, Tensor } = await import('onnxruntime-node')
  const session = await InferenceSession.create(encodeModel(of))
  try {
    const { y, z } = await session.run({ x: new Tensor('float32', x, [x.length / inner, inner]) })
    return { y: y.data as Float32Array, z: z.data as Float32Array }
  } finally {
    await session.release()
  }
}

describe('int8-static', () => {
  test('measures what enters products, and stays near the float model within the bounds', async () => {
    expect(productOperands(model)).toEqual(['x', 'y', 't'])
    const clips = Array.from({ length: 4 }, () => normal(inner))
    const ranges = await measureRanges(
      model,
      clips.map((data) => ({ type: 'float32', data, shape: [1, inner] })),
    )
    const all = clips.flatMap((clip) => Array.from(clip))
    expect(ranges.get('x')).toEqual({ low: Math.min(...all), high: Math.max(...all) })
    const quantized = withPrecision(model, 'int8-static', ranges)
    expect(quantized.graph.initializers.find(({ name }) => name === 'w/int8')!.data).toBeInstanceOf(Int8Array)
    expect(quantized.graph.initializers.some(({ name }) => name === 'w')).toBe(false)
    const x = Float32Array.from(all)
    const [expected, found] = [await run(model, x), await run(quantized, x)]
    for (const name of ['y', 'z'] as const) {
      const difference = Math.hypot(...expected[name].map((value, i) => value - found[name][i]))
      const size = Math.hypot(...expected[name])
      expect(difference / size).toBeLessThan(0.05)
      expect(difference).toBeGreaterThan(0)
    }
  })

  test('refuses to work without measured bounds', async () => {
    expect(() => withPrecision(model, 'int8-static')).toThrow(/calibration clips/)
    await expect(measureRanges(model, [])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('has 0 as one of its values, and its bounds within half a step', () => {
    const bound = fc.double({ min: -1e3, max: 1e3, noNaN: true })
    fc.assert(
      fc.property(bound, bound, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)]
        const { scale, zero } = parametersOf({ low, high })
        expect(Number.isInteger(zero) && zero >= 0 && zero <= 255).toBe(true)
        if (high - low < 1e-6) return
        expect(scale * (255 - zero)).toBeGreaterThanOrEqual(high - 0.501 * scale)
        expect(-scale * zero).toBeLessThanOrEqual(low + 0.501 * scale)
      }),
      { seed: 20261122 },
    )
  })
})
