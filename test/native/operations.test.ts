/**
 * Every operation of the native engine against the float64 reference, on random shapes, at every level of this
 * processor: float32 to 1e-4 and bfloat16 to 2e-2 by norm. Oracle: src/engine/reference.
 */
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Level } from '../../src/engine/native/build/levels.ts'
import { type OperationName, operations } from '../../src/graph/operations/index.ts'
import { type OperationCase, operationCases, relativeError } from '../support/operation-cases.ts'
import { roundLeaves, runReference } from '../support/run-operation-case.ts'
import { nativeMissing, nativeTimeouts, openNative, testedLevels } from './native-cases.ts'

vi.setConfig(nativeTimeouts)
const missing = nativeMissing()
const names = Object.keys(operations) as OperationName[]
const runs = Number(process.env.VIDEOMAE_NATIVE_TEST_RUNS ?? 8)

async function check(made: OperationCase, level: Level, precision: 'float32' | 'bfloat16'): Promise<void> {
  const fair = precision === 'float32' ? made : roundLeaves(made)
  const expected = await runReference(fair)
  const session = await openNative([fair.program], level, {
    precision,
    threads: 3,
    leavesAsActivations: precision === 'bfloat16',
  })
  try {
    await session.writeState(fair.state)
    const actual = await session.run(fair.program.name, fair.inputs)
    expect(Object.keys(actual).sort(), made.label).toEqual(Object.keys(expected).sort())
    for (const [name, values] of Object.entries(expected)) {
      const error = relativeError(actual[name], values, made.floor)
      expect(error, `${name} of ${made.label}`).toBeLessThan(precision === 'float32' ? 1e-4 : 2e-2)
    }
  } finally {
    await session.close()
  }
}

const title = `operations on the native engine${missing === null ? '' : ` (${missing})`}`
describe.skipIf(missing !== null)(title, () => {
  describe.each(testedLevels)('%s', (level) => {
    test.each(names)('%s in float32', async (name) => {
      const property = fc.asyncProperty(operationCases[name], (made) => check(made, level, 'float32'))
      await fc.assert(property, { seed: 20261128, numRuns: runs })
    })

    test.each(names)('%s in bfloat16', async (name) => {
      const property = fc.asyncProperty(operationCases[name], (made) => check(made, level, 'bfloat16'))
      await fc.assert(property, { seed: 20261129, numRuns: runs })
    })
  })
})
