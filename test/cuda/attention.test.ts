/**
 * Attention on tensor cores, forward and backward, at lengths around the tile of 64 and at the head widths of published
 * models, against the float64 reference to 2e-2 by norm. Emulated; runs on any machine with g++.
 */
import { describe, expect, test, vi } from 'vitest'
import { attentionGradient, attentionOperation } from '../../src/graph/operations/attention.ts'
import { CaseBuilder, relativeError } from '../support/case-builder.ts'
import { compilationTimeouts } from '../support/cuda-emulation/build.ts'
import { testDeviceMissing, testDeviceName } from '../support/cuda-test-device.ts'
import { roundLeaves, runOnDevice, runReference } from '../support/run-operation-case.ts'

vi.setConfig(compilationTimeouts)
const missing = testDeviceMissing()

interface Sizes {
  readonly queries: number
  /** Null: one packed qkv. */
  readonly keys: number | null
  readonly headWidth: number
  /** Keys are the values, too. */
  readonly shared?: boolean
}

function attentionCase({ queries, keys, headWidth, shared = false }: Sizes) {
  const heads = 2
  const width = heads * headWidth
  const build = new CaseBuilder('attention', queries * 1000 + headWidth)
  const packed =
    keys === null
      ? [build.float('qkv', [1, queries, 3 * width])]
      : [build.float('q', [1, queries, width]), build.float('kv', [1, keys, shared ? width : 2 * width])]
  const [o, logSumExp] = build.graph.apply(attentionOperation, packed, { heads })
  const gradients = attentionGradient(build.float('do', o.shape), o, logSumExp, packed, heads)
  const outputs = { o, logSumExp, ...Object.fromEntries(gradients.map((g, i) => [`d${i}`, g])) }
  return roundLeaves(build.finish(outputs, []))
}

const cases: readonly Sizes[] = [
  { queries: 63, keys: null, headWidth: 32 },
  { queries: 64, keys: null, headWidth: 64 },
  { queries: 65, keys: null, headWidth: 48 },
  { queries: 160, keys: null, headWidth: 64 },
  { queries: 70, keys: 1, headWidth: 16 },
  { queries: 1, keys: 129, headWidth: 80 },
  { queries: 33, keys: 130, headWidth: 88 },
  { queries: 130, keys: 40, headWidth: 128 },
  { queries: 6, keys: 130, headWidth: 64, shared: true },
  // As many tiles as the longest sequence that counts has, on either side.
  { queries: 20, keys: 1568, headWidth: 64 },
  { queries: 1568, keys: 20, headWidth: 64 },
  // Wider than tensor cores take: queries of an attentive head.
  { queries: 6, keys: 40, headWidth: 384, shared: true },
]

/** The length that counts, too long for the emulation in the time that tests have. */
const long: readonly Sizes[] =
  process.env.VIDEOMAE_CUDA_TEST === 'hardware' ? [{ queries: 1568, keys: null, headWidth: 64 }] : []

describe.skipIf(missing !== null)(
  `attention on tensor cores of ${testDeviceName}${missing === null ? '' : ` (${missing})`}`,
  () => {
    test.each([...cases, ...long])(
      'of $queries queries and $keys keys, heads of $headWidth, shared $shared',
      async (sizes) => {
        const made = attentionCase(sizes)
        const expected = await runReference(made)
        const actual = await runOnDevice(made, { precision: 'bfloat16', leavesAsActivations: true })
        for (const [name, values] of Object.entries(expected)) {
          expect(relativeError(actual[name], values, 1e-2), name).toBeLessThan(2e-2)
        }
      },
    )
  },
)
