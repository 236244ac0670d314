/**
 * Layer normalization at the widths of published models, which are held in registers, and at widths around them,
 * against the float64 reference: float32 to 1e-4 and bfloat16 to 2e-2 by norm. Emulated; runs on any machine with g++.
 */
import { describe, expect, test, vi } from 'vitest'
import { layerNormGradient, layerNormOperation } from '../../src/graph/operations/layer-norm.ts'
import { CaseBuilder, relativeError } from '../support/case-builder.ts'
import { compilationTimeouts } from '../support/cuda-emulation/build.ts'
import { testDeviceMissing, testDeviceName } from '../support/cuda-test-device.ts'
import { roundLeaves, runOnDevice, runReference } from '../support/run-operation-case.ts'

vi.setConfig(compilationTimeouts)
const missing = testDeviceMissing()

function normCase(rows: number, width: number) {
  const build = new CaseBuilder('layerNorm', rows * 10_000 + width)
  const [x, dy] = [build.float('x', [1, rows, width], { mean: 0.5 }), build.float('dy', [1, rows, width])]
  const [gamma, beta] = [build.float('gamma', [width], { mean: 1 }), build.float('beta', [width])]
  const [y, mean, inverse] = build.graph.apply(layerNormOperation, [x, gamma, beta], { epsilon: 1e-6 })
  return build.finish({ y, mean, inverse, ...layerNormGradient(dy, x, gamma, mean, inverse) }, [], 1e-2)
}

describe.skipIf(missing !== null)(
  `layer normalization on ${testDeviceName}${missing === null ? '' : ` (${missing})`}`,
  () => {
    // 40 and 72: fewer packs than lanes; 42: no whole packs; 2304: too wide for registers.
    const widths = [40, 42, 72, 192, 384, 768, 1024, 1280, 1408, 2304]
    test.each(widths.flatMap((width) => [[width, 7] as const, [width, 70] as const]))(
      'of width %i, %i rows',
      async (width, rows) => {
        for (const precision of ['float32', 'bfloat16'] as const) {
          const exact = normCase(rows, width)
          const made = precision === 'float32' ? exact : roundLeaves(exact)
          const expected = await runReference(made)
          const actual = await runOnDevice(made, { precision, leavesAsActivations: precision === 'bfloat16' })
          for (const [name, values] of Object.entries(expected)) {
            const error = relativeError(actual[name], values, made.floor)
            expect(error, `${name} in ${precision}`).toBeLessThan(precision === 'float32' ? 1e-4 : 2e-2)
          }
        }
      },
    )
  },
)
